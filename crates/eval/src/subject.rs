use lookalike_datasets::GlyphFactors;
use lookalike_plugin_api::{Digest, Image};
use lookalike_vision::Model;
use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::experiment::{Experiment, Protocol};
use crate::random::{Use, seeded};

/// An image with what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The image.
    pub image: Image,
    /// Its class; `None` where the set does not say.
    pub label: Option<String>,
    /// What a drawn image was drawn from.
    pub factors: Option<GlyphFactors>,
}

/// A query of a protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedFor {
    /// The image before anything happens to it.
    pub known: Known,
    /// Its place among the exemplars, where it is one of them.
    pub original: Option<usize>,
}

/// The images of one evaluation: exemplars, and the queries of each protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// The data set's name, for people.
    pub name: String,
    /// The exemplars. The last [`Subject::outliers`] of them are no members of the data set.
    pub exemplars: Vec<Known>,
    /// Exemplars that were mixed in from elsewhere.
    pub outliers: usize,
    /// Queries that are exemplars.
    pub own: Vec<AskedFor>,
    /// Queries that are not.
    pub foreign: Vec<AskedFor>,
}

/// What a run directory says of its subject, so that a run never goes on with other images or another model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectRecord {
    /// The data set's name.
    pub name: String,
    /// Exemplars, those mixed in among them.
    pub exemplars: usize,
    /// Exemplars that were mixed in.
    pub outliers: usize,
    /// Digest over all images and labels in their order, as hexadecimal digits.
    pub images: String,
    /// The model's name and the digest of its weights.
    pub model: String,
}

impl Subject {
    /// The subject of a search of settings: as [`Subject::draw`] with self-retrieval, of those training images that
    /// come last in its order, so that an evaluation of the same seed does not see them while it takes no more than
    /// the others.
    ///
    /// # Errors
    ///
    /// As [`Subject::draw`].
    pub fn draw_for_tuning<T, E: From<EvalError>>(
        name: &str,
        train: &[T],
        experiment: &Experiment,
        load: impl FnMut(&T) -> Result<Known, E>,
    ) -> Result<Self, E> {
        let mut order: Vec<usize> = (0..train.len()).collect();
        seeded(experiment.seed, Use::Subject, 0).shuffle(&mut order);
        order.reverse();
        Self::of_order(name, [train, &[]], &order, Vec::new(), experiment, load)
    }

    /// Draws exemplars and queries: `train` gives the exemplars and the queries of [`Protocol::SelfRetrieval`], `test`
    /// those of [`Protocol::NonSelf`], `outliers` is mixed in whole. `load` makes an image of what was drawn, so that
    /// the others need not be decoded.
    ///
    /// *Determinism*: the experiment's seed and numbers and the order of the images decide.
    ///
    /// # Errors
    ///
    /// [`EvalError::TooFew`] when there are fewer images than the experiment asks for, and what `load` gives.
    pub fn draw<T, E: From<EvalError>>(
        name: &str,
        [train, test]: [&[T]; 2],
        outliers: Vec<Known>,
        experiment: &Experiment,
        load: impl FnMut(&T) -> Result<Known, E>,
    ) -> Result<Self, E> {
        let mut order: Vec<usize> = (0..train.len()).collect();
        seeded(experiment.seed, Use::Subject, 0).shuffle(&mut order);
        Self::of_order(name, [train, test], &order, outliers, experiment, load)
    }

    /// The same with the first of `order` as exemplars.
    fn of_order<T, E: From<EvalError>>(
        name: &str,
        [train, test]: [&[T]; 2],
        order: &[usize],
        outliers: Vec<Known>,
        experiment: &Experiment,
        mut load: impl FnMut(&T) -> Result<Known, E>,
    ) -> Result<Self, E> {
        let Experiment { seed, exemplars: count, queries, protocols, .. } = experiment;
        let chosen = |stream: u64, what, from: usize, count: usize| {
            if from < count {
                return Err(EvalError::TooFew { what, found: from, least: count });
            }
            let mut order: Vec<usize> = (0..from).collect();
            seeded(*seed, Use::Subject, stream).shuffle(&mut order);
            order.truncate(count);
            Ok(order)
        };
        if order.len() < *count {
            let what = "training images";
            return Err(EvalError::TooFew { what, found: order.len(), least: *count }.into());
        }
        let mut exemplars =
            order[..*count].iter().map(|place| load(&train[*place])).collect::<Result<Vec<_>, E>>()?;
        let (mut own, mut foreign) = (Vec::new(), Vec::new());
        if protocols.contains(&Protocol::SelfRetrieval) {
            for place in chosen(1, "exemplars", exemplars.len(), *queries)? {
                own.push(AskedFor { known: exemplars[place].clone(), original: Some(place) });
            }
        }
        if protocols.contains(&Protocol::NonSelf) {
            for place in chosen(2, "test images", test.len(), *queries)? {
                foreign.push(AskedFor { known: load(&test[place])?, original: None });
            }
        }
        let mixed_in = outliers.len();
        exemplars.extend(outliers.into_iter().map(|outlier| Known { label: None, ..outlier }));
        Ok(Self { name: name.to_owned(), exemplars, outliers: mixed_in, own, foreign })
    }

    /// What a run directory says of it.
    pub(crate) fn record(&self, model: &Model) -> SubjectRecord {
        let fingerprint = model.fingerprint();
        SubjectRecord {
            name: self.name.clone(),
            exemplars: self.exemplars.len(),
            outliers: self.outliers,
            images: self.digest().to_string(),
            model: format!("{} {}", fingerprint.model, fingerprint.weights),
        }
    }

    /// The queries of a protocol.
    pub fn queries(&self, protocol: Protocol) -> &[AskedFor] {
        match protocol {
            Protocol::SelfRetrieval => &self.own,
            Protocol::NonSelf => &self.foreign,
        }
    }

    /// A digest over all images and labels in their order.
    pub(crate) fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("lookalike evaluation subject 1");
        for known in
            self.exemplars.iter().chain(self.own.iter().chain(&self.foreign).map(|asked| &asked.known))
        {
            let Known { image, label, .. } = known;
            for side in [image.height(), image.width(), image.channels()] {
                hasher.update(&(side as u64).to_le_bytes());
            }
            let label = label.as_deref().unwrap_or_default();
            hasher
                .update(image.samples())
                .update(&(label.len() as u64).to_le_bytes())
                .update(label.as_bytes());
        }
        Digest(*hasher.finalize().as_bytes())
    }
}
