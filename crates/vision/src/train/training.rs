//! A training, step by step.

use std::time::{Duration, Instant};

use lookalike_plugin_api::Digest;
use serde::{Deserialize, Serialize};

use super::augment::Moved;
use super::checkpoint::{Checkpoint, Progress};
use super::config::TrainConfig;
use super::error::TrainError;
use super::evaluation::{Evaluation, evaluate};
use super::gradient::{Labelled, Trainee};
use super::optimiser::OptimiserState;
use super::set::TrainSet;
use super::trained::TrainedModel;
use crate::compute::{Chunks, ComputeConfig};
use crate::manifest::ModelManifest;
use crate::model::{Model, ModelError};
use crate::seeded::seeded_weights;
use crate::weights::WeightsFormat;
use lookalike_kernels::Random32;

/// What a network is trained on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainData {
    /// The images to learn, of the manifest's input size.
    pub images: TrainSet,
    /// Images that it is tried on after each epoch, if any. They change nothing.
    pub validation: Option<TrainSet>,
}

/// How an epoch went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRecord {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Mean cross entropy against the smoothed targets over the epoch, in nats.
    pub loss: f32,
    /// Share of the epoch's images that were classified as they are labelled, in 0..=1, as they were augmented and by
    /// the weights of the moment that they were seen.
    pub accuracy: f32,
    /// Learning rate of the last step.
    pub learning_rate: f32,
    /// How the network did on the validation images at the end.
    pub validation: Option<Evaluation>,
    /// Seconds that its steps took; what comes between them is not counted.
    pub seconds: f64,
}

/// What one update came to.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainStep {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Images of the whole training that were seen, over all epochs.
    pub images: u64,
    /// Images that will have been seen at the end.
    pub of_images: u64,
    /// Mean cross entropy of the step's images, in nats.
    pub loss: f32,
    /// The epoch that this step ended, if it did.
    pub ended: Option<EpochRecord>,
}

/// A network whose weights are being made. At any moment [`Training::checkpoint`] has all that [`Training::resume`] needs
/// to go on.
///
/// *Determinism:* the same configuration, manifest and images give the same weights on the processor, for any number of
/// threads, and however often the training was interrupted and resumed.
#[derive(Debug)]
pub struct Training {
    config: TrainConfig,
    manifest: ModelManifest,
    data: TrainData,
    data_digest: Digest,
    trainee: Trainee,
    optimiser: OptimiserState,
    chunks: Chunks,
    random: Random32,
    /// The order of the epoch under way, or of the last one before it began.
    order: Vec<usize>,
    progress: Progress,
}

impl Training {
    /// A training before its first step.
    ///
    /// # Errors
    ///
    /// [`TrainError`] when the configuration, the manifest, a class or the size of the images is out of range, when
    /// there are fewer images than a batch takes, or when the device cannot be used.
    pub fn new(config: TrainConfig, manifest: ModelManifest, data: TrainData) -> Result<Self, TrainError> {
        manifest.validate()?;
        config.validate_for(&manifest)?;
        check(&config, &manifest, &data)?;
        let weights = seeded_weights(&manifest, config.seed);
        let trainee = Trainee::new(&manifest, weights, config.device)?;
        let compute = ComputeConfig {
            device: config.device,
            threads: config.threads,
            chunk: config.shard,
            ..ComputeConfig::default()
        };
        Ok(Self {
            data_digest: data.images.digest(),
            optimiser: OptimiserState::new(&config, &trainee),
            chunks: Chunks::new(&compute, config.shard),
            random: Random32::new(config.seed ^ 0x0BAD_5EED),
            order: (0..data.images.len()).collect(),
            progress: Progress::default(),
            config,
            manifest,
            data,
            trainee,
        })
    }

    /// The training that `checkpoint` was made of, where it was then.
    ///
    /// # Errors
    ///
    /// As [`Training::new`]; [`TrainError::Checkpoint`] when the checkpoint is damaged, or is one of another
    /// configuration, manifest or set of images, naming what differs. Threads and device may differ.
    pub fn resume(
        config: TrainConfig,
        manifest: ModelManifest,
        data: TrainData,
        checkpoint: &[u8],
    ) -> Result<Self, TrainError> {
        let mut training = Self::new(config, manifest, data)?;
        let checkpoint = Checkpoint::read(checkpoint)?;
        checkpoint.expect(&training.config, &training.manifest, &training.data_digest)?;
        training.progress = checkpoint.progress(training.config.epochs, training.batches())?;
        for _ in 0..training.shuffles() {
            training.random.shuffle(&mut training.order);
        }
        checkpoint.expect_order(&training.order_digest())?;
        let Self { trainee, optimiser, .. } = &mut training;
        let parameters = trainee.parameters.iter_mut().map(|parameter| &mut parameter.values);
        checkpoint.put_back("parameter", parameters)?;
        checkpoint.put_back("running", trainee.running_mut())?;
        checkpoint.put_back("moment", optimiser.moments.iter_mut().flatten())?;
        Ok(training)
    }

    /// All that a later [`Training::resume`] needs, as a safetensors file.
    ///
    /// # Errors
    ///
    /// [`TrainError::Checkpoint`] when the file would be larger than the format allows.
    pub fn checkpoint(&self) -> Result<Vec<u8>, TrainError> {
        let parameters = self.trainee.parameters.iter().map(|parameter| &parameter.values);
        let mut state = Checkpoint::under_way(&self.config, &self.manifest, &self.data_digest);
        state.keep_progress(&self.progress, self.steps(), &self.order_digest());
        state.keep("parameter", parameters);
        state.keep("running", self.trainee.running());
        state.keep("moment", self.optimiser.moments.iter().flatten());
        Ok(state.into_bytes()?)
    }

    /// One update; `None` when the last one was made before.
    ///
    /// # Errors
    ///
    /// [`TrainError::Diverged`] when the loss stops being finite, [`TrainError`] when the device fails or the network
    /// cannot be tried on the validation images. The training cannot go on then.
    pub fn step(&mut self) -> Result<Option<TrainStep>, TrainError> {
        if self.progress.epoch == self.config.epochs {
            return Ok(None);
        }
        let start = Instant::now();
        let epoch = self.progress.epoch;
        if self.progress.batch == 0 {
            self.random.shuffle(&mut self.order);
        }
        let (batches, steps) = (self.batches(), self.steps());
        let Self { config, data, trainee, optimiser, chunks, order, progress, .. } = self;
        let batch = &order[progress.batch * config.batch..][..config.batch];
        let shards = chunks.map(balanced(batch, config.shard), |places| {
            let moved = |place| Moved::draw(config.augmentation, config.seed, epoch, place);
            let shard: Vec<Labelled> =
                places.iter().map(|&place| data.images.labelled(place, moved(place))).collect();
            trainee.gradient(&shard.iter().collect::<Vec<_>>(), config.label_smoothing)
        })?;
        let merged = trainee.merge(shards);
        if !merged.loss.is_finite() {
            return Err(TrainError::Diverged { epoch: epoch + 1 });
        }
        let done = steps as f32 / (config.epochs * batches) as f32;
        let rate = config.learning_rate * config.schedule.factor(done);
        optimiser.update(trainee, &merged, rate, steps + 1, chunks);

        progress.loss += merged.loss;
        progress.correct += merged.correct;
        progress.batch += 1;
        progress.spent += start.elapsed();
        let ended = if progress.batch == batches { Some(self.end_epoch(rate)?) } else { None };
        let per_step = self.config.batch as u64;
        Ok(Some(TrainStep {
            epoch: epoch + 1,
            images: self.steps() * per_step,
            of_images: (self.config.epochs * batches) as u64 * per_step,
            loss: merged.loss,
            ended,
        }))
    }

    /// Closes the books of the epoch under way.
    fn end_epoch(&mut self, learning_rate: f32) -> Result<EpochRecord, TrainError> {
        let validation = self.validate().map_err(|error| TrainError::Validation(Box::new(error)))?;
        let progress = &mut self.progress;
        let record = EpochRecord {
            epoch: progress.epoch + 1,
            loss: progress.loss / progress.batch as f32,
            accuracy: progress.correct as f32 / (progress.batch * self.config.batch) as f32,
            learning_rate,
            validation,
            seconds: progress.spent.as_secs_f64(),
        };
        progress.history.push(record.clone());
        progress.epoch += 1;
        (progress.batch, progress.loss, progress.correct, progress.spent) = (0, 0.0, 0, Duration::ZERO);
        Ok(record)
    }

    /// How the network does on the validation images, if there are any.
    fn validate(&mut self) -> Result<Option<Evaluation>, ModelError> {
        let Some(images) = &self.data.validation else { return Ok(None) };
        let TrainConfig { device, threads, .. } = self.config;
        let compute = ComputeConfig { device, threads, ..ComputeConfig::default() };
        let weights = self.trainee.current_weights().to_file(WeightsFormat::F32)?;
        let model = Model::load(self.manifest.clone(), &weights, compute)?;
        evaluate(&model, images).map(Some)
    }

    /// The epochs that are over, from the first on.
    pub fn history(&self) -> &[EpochRecord] {
        &self.progress.history
    }

    /// Images that are learnt.
    pub fn images(&self) -> usize {
        self.data.images.len()
    }

    /// Digest of the images that are learnt, see [`TrainSet::digest`].
    pub fn data_digest(&self) -> Digest {
        self.data_digest
    }

    /// The model as it is now.
    pub fn into_trained(mut self) -> TrainedModel {
        TrainedModel::new(self.manifest, self.trainee.current_weights().clone())
    }

    /// Updates in an epoch. Images that fill no batch are left out; the next epoch's order is another one.
    fn batches(&self) -> usize {
        self.data.images.len() / self.config.batch
    }

    /// How often the order was drawn so far.
    fn shuffles(&self) -> usize {
        self.progress.epoch + usize::from(self.progress.batch > 0)
    }

    /// Updates made so far.
    fn steps(&self) -> u64 {
        (self.progress.epoch * self.batches() + self.progress.batch) as u64
    }

    fn order_digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        for &place in &self.order {
            hasher.update(&(place as u64).to_le_bytes());
        }
        Digest(*hasher.finalize().as_bytes())
    }
}

/// Whether data, manifest and configuration fit each other.
fn check(config: &TrainConfig, manifest: &ModelManifest, data: &TrainData) -> Result<(), TrainError> {
    let expected = [manifest.channels, manifest.height, manifest.width];
    let classes = manifest.classes.len();
    for set in std::iter::once(&data.images).chain(&data.validation) {
        if set.shape() != expected {
            return Err(TrainError::Shape { found: set.shape(), expected });
        }
        if let Some((position, found)) = set.first_beyond(classes) {
            return Err(TrainError::Class { position, found, classes });
        }
    }
    if data.images.len() < config.batch {
        return Err(TrainError::TooFew { found: data.images.len(), expected: config.batch });
    }
    Ok(())
}

/// A batch cut into shards of at most `most` images whose lengths differ by at most one.
fn balanced<T>(batch: &[T], most: usize) -> Vec<&[T]> {
    let shards = batch.len().div_ceil(most);
    let (length, longer) = (batch.len() / shards, batch.len() % shards);
    let (long, short) = batch.split_at(longer * (length + 1));
    long.chunks(length + 1).chain(short.chunks(length)).collect()
}
