use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use lookalike_engine::{
    Collection, Database, IngestItem, ItemImage, MAX_DECLARED_VIEWS, SHRINK, Snapshot, StoreConfig,
};
use lookalike_plugin_api::{
    Budget, ExemplarId, ExemplarSource, FeatureRows, Image, QueryRows, RerankJob, Reranker, View,
};
use lookalike_tmm::{TmmConfig, TmmReranker, TmmView, disturbed_copies};
use lookalike_vision::{Layer, Model, Pixels};

use super::baseline::{COPIES, Seen};
use super::limits::MOST_LAYER_BYTES;
use super::view_recipe::fitted_trigger;
use super::{Baseline, Contestant, TmmWay, ViewRecipe, Way};
use crate::error::EvalError;
use crate::experiment::Experiment;
use crate::ranking::RankingError;
use crate::ranking::{
    AlphaExpansion, Cosine, Euclidean, KReciprocal, LogitDistance, Mahalanobis, Ranking, WhitenedCosine,
    best_first, mean_row, unit,
};
use crate::subject::{Known, Subject};

/// Candidates of the k-reciprocal re-ranking.
const RERANKED: usize = 200;
/// Exemplars, none of them a query, whose mean score is taken as the prior of a dummy class.
const PRIOR_QUERIES: usize = 8;
/// Images embedded at once.
const AT_ONCE: usize = 256;

/// Exemplars and rankings, ready for queries.
#[derive(Debug)]
pub struct Arena {
    model: Arc<Model>,
    exemplars: usize,
    baselines: BTreeMap<Baseline, Plain>,
    whitened: WhitenedCosine,
    seeds: Vec<SeedArena>,
}

/// A baseline that scores by one row of the query.
struct Plain(Box<dyn Ranking>);

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Plain")
    }
}

/// What one seed of the method needs: a collection with its views, and a reranker for each contestant.
#[derive(Debug)]
struct SeedArena {
    seed: u64,
    snapshot: Snapshot,
    ids: Vec<ExemplarId>,
    fighters: BTreeMap<String, Fighter>,
}

#[derive(Debug)]
struct Fighter {
    way: TmmWay,
    config: TmmConfig,
    reranker: TmmReranker,
    prior: OnceLock<Vec<f32>>,
    /// Exemplars that stand for other queries.
    others: Vec<Image>,
}

/// A query as it is asked, embedded once for all baselines.
#[derive(Debug)]
pub struct Asked {
    /// The image, after what happened to it.
    pub image: Image,
    pixels: Pixels,
    row: Vec<f32>,
    preparing: Duration,
    embedding: Duration,
}

/// What a contestant thinks of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// One score per exemplar, larger is nearer.
    pub scores: Vec<f32>,
    /// Time of the whole query, with as much of its preparation as the contestant needs.
    pub elapsed: Duration,
}

impl Arena {
    /// Stores the exemplars in databases under `folder`, one per seed, with every view that the contestants need, and
    /// makes the rows of the baselines. What is there already is taken as it is.
    ///
    /// # Errors
    ///
    /// [`EvalError`].
    pub fn new(
        model: &Arc<Model>,
        subject: &Subject,
        experiment: &Experiment,
        folder: &Path,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, EvalError> {
        let exemplars = subject.exemplars.as_slice();
        check_layers(model, exemplars, experiment)?;
        let is_asked = |place: usize| subject.own.iter().any(|asked| asked.original == Some(place));
        let others: Vec<Image> = (0..exemplars.len())
            .filter(|place| !is_asked(*place))
            .take(PRIOR_QUERIES)
            .map(|place| exemplars[place].image.clone())
            .collect();
        let mut seeds = Vec::new();
        for number in 0..experiment.trigger_seeds as u64 {
            progress(&format!("exemplars and views of seed {number}"));
            let folder = folder.join(format!("seed-{number}"));
            seeds.push(SeedArena::new(
                model,
                exemplars,
                &others,
                experiment,
                experiment.seed.wrapping_add(number),
                &folder,
            )?);
        }
        progress("rows of the baselines");
        let Some(seed) = seeds.first() else {
            return Err(EvalError::TooFew { what: "trigger seeds", found: 0, least: 1 });
        };
        let features = seed.snapshot.rows(View::CLEAN, &seed.ids)?;
        let failed = |baseline: Baseline| {
            move |source| EvalError::Ranking { contestant: baseline.name().to_owned(), source }
        };
        let whitened = WhitenedCosine::new(&features, SHRINK).map_err(failed(Baseline::Whitened))?;
        let mut arena = Self {
            model: Arc::clone(model),
            exemplars: exemplars.len(),
            baselines: BTreeMap::new(),
            whitened,
            seeds,
        };
        let prepared = OnceCell::new();
        let pixels = || -> &[Pixels] {
            prepared.get_or_init(|| -> Vec<Pixels> {
                exemplars.iter().map(|known| model.prepare(&known.image)).collect()
            })
        };
        let inputs = || {
            let dimension = pixels().first().map_or(1, |first| first.values().len());
            let values = pixels().iter().flat_map(|pixels| pixels.values().iter().copied()).collect();
            FeatureRows::new(dimension, values)
        };
        for contestant in &experiment.contestants {
            let Way::Baseline(baseline) = contestant.way else { continue };
            let plain: Box<dyn Ranking> = match baseline {
                Baseline::L2Pixels => Box::new(Euclidean::new(inputs()?)),
                Baseline::CosinePixels => Box::new(Cosine::new(&inputs()?)),
                Baseline::L2At(layer) => Box::new(Euclidean::new(arena.seen_at(layer, pixels())?)),
                Baseline::CosineAt(layer) => Box::new(Cosine::new(&arena.seen_at(layer, pixels())?)),
                Baseline::L2 => Box::new(Euclidean::new(features.clone())),
                Baseline::Cosine => Box::new(Cosine::new(&features)),
                Baseline::Logits => Box::new(
                    LogitDistance::new(model.head().clone(), &features).map_err(failed(Baseline::Logits))?,
                ),
                Baseline::Mahalanobis => {
                    let classes = model.head().predicted(&features);
                    Box::new(
                        Mahalanobis::new(&features, &classes, SHRINK)
                            .map_err(failed(Baseline::Mahalanobis))?,
                    )
                }
                Baseline::Whitened
                | Baseline::Averaged
                | Baseline::BestCopy
                | Baseline::Reciprocal
                | Baseline::Expansion => continue,
            };
            arena.baselines.insert(baseline, Plain(plain));
        }
        Ok(arena)
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// A query, embedded.
    ///
    /// # Errors
    ///
    /// [`EvalError::Model`].
    pub fn ask(&self, image: Image) -> Result<Asked, EvalError> {
        let start = Instant::now();
        let pixels = self.model.prepare(&image);
        let preparing = start.elapsed();
        let row = self.model.features(std::slice::from_ref(&pixels))?.into_values();
        Ok(Asked { image, pixels, row, preparing, embedding: start.elapsed() })
    }

    /// The class that the model gives a query.
    pub fn predicted(&self, asked: &Asked) -> Option<usize> {
        let row = FeatureRows::new(asked.row.len(), asked.row.clone()).ok()?;
        self.model.head().predicted(&row).first().copied()
    }

    /// Scores of all exemplars by a contestant; `number` counts the seeds.
    ///
    /// # Errors
    ///
    /// [`EvalError`].
    pub fn scores(&self, contestant: &Contestant, number: usize, asked: &Asked) -> Result<Scored, EvalError> {
        let start = Instant::now();
        let seed = &self.seeds[number.min(self.seeds.len() - 1)];
        match &contestant.way {
            Way::Baseline(baseline) => {
                let scores = self
                    .baseline(*baseline, asked, seed.seed)?
                    .map_err(|source| EvalError::Ranking { contestant: contestant.name.clone(), source })?;
                // Copies and layers are embedded anew, the query among them.
                let before = match baseline.seen() {
                    Seen::Features if !baseline.is_seeded() => asked.embedding,
                    Seen::Features | Seen::Pixels | Seen::At(_) => asked.preparing,
                };
                Ok(Scored { scores, elapsed: start.elapsed() + before })
            }
            Way::Tmm(_) => {
                let scores = seed.scores(&contestant.name, &asked.image)?;
                Ok(Scored { scores, elapsed: start.elapsed() })
            }
        }
    }

    /// What a layer sees of images.
    fn seen_at(&self, layer: Layer, pixels: &[Pixels]) -> Result<FeatureRows, EvalError> {
        let tunable = self.model.tunable(layer)?;
        let (mut values, mut dimension) = (Vec::new(), 1);
        for batch in pixels.chunks(AT_ONCE) {
            let rows = tunable.entries(batch)?;
            dimension = rows.dimension();
            values.extend(rows.into_values());
        }
        Ok(FeatureRows::new(dimension, values)?)
    }

    fn baseline(
        &self,
        baseline: Baseline,
        asked: &Asked,
        seed: u64,
    ) -> Result<Result<Vec<f32>, RankingError>, EvalError> {
        if let Some(Plain(ranking)) = self.baselines.get(&baseline) {
            return Ok(match baseline.seen() {
                Seen::Pixels => ranking.scores(asked.pixels.values()),
                Seen::At(layer) => {
                    ranking.scores(self.seen_at(layer, std::slice::from_ref(&asked.pixels))?.values())
                }
                Seen::Features => ranking.scores(&asked.row),
            });
        }
        let copies = || -> Result<FeatureRows, EvalError> {
            let mut images = disturbed_copies(&asked.pixels, COPIES, seed);
            images.push(asked.pixels.clone());
            Ok(self.model.features(&images)?)
        };
        Ok(if baseline == Baseline::Averaged {
            mean_row(&copies()?).and_then(|row| self.whitened.scores(&row))
        } else if baseline == Baseline::BestCopy {
            self.best(&copies()?)
        } else if baseline == Baseline::Reciprocal {
            self.reciprocal(&asked.row)
        } else if baseline == Baseline::Expansion {
            self.expansion(&asked.row)
        } else {
            self.whitened.scores(&asked.row)
        })
    }

    fn best(&self, copies: &FeatureRows) -> Result<Vec<f32>, RankingError> {
        let mut best = vec![f32::NEG_INFINITY; self.exemplars];
        for copy in copies.rows() {
            for (best, score) in best.iter_mut().zip(self.whitened.scores(copy)?) {
                *best = best.max(score);
            }
        }
        Ok(best)
    }

    /// The best by whitened cosine in their new order, and the others behind them in the old one.
    fn reciprocal(&self, row: &[f32]) -> Result<Vec<f32>, RankingError> {
        let mut scores = self.whitened.scores(row)?;
        let order = best_first(&scores);
        let best = &order[..RERANKED.min(order.len())];
        let rows = self.whitened.cosine().rows();
        let candidates = best.iter().flat_map(|id| rows.row(*id as usize)).copied().collect();
        let candidates = FeatureRows::new(rows.dimension(), candidates)
            .map_err(|_| RankingError::NotFinite { position: 0 })?;
        let anew = KReciprocal::default().scores(&unit(&self.whitened.whitened(row)?), &candidates)?;
        // Above all cosines, which end at 1: the new scores are -1 to 0. No further, where f32 would make ties of them.
        for (id, score) in best.iter().zip(anew) {
            scores[*id as usize] = 3.0 + score;
        }
        Ok(scores)
    }

    fn expansion(&self, row: &[f32]) -> Result<Vec<f32>, RankingError> {
        let cosine = self.whitened.cosine();
        cosine.scores(&AlphaExpansion::default().expand(&self.whitened.whitened(row)?, cosine)?)
    }
}

/// Refuses rows of layers that take too much memory, before anything is stored.
fn check_layers(model: &Model, exemplars: &[Known], experiment: &Experiment) -> Result<(), EvalError> {
    let Some(first) = exemplars.first().map(|known| [model.prepare(&known.image)]) else { return Ok(()) };
    let mut bytes = 0_u64;
    for contestant in &experiment.contestants {
        if let Way::Baseline(Baseline::L2At(layer) | Baseline::CosineAt(layer)) = contestant.way {
            let dimension = model.tunable(layer)?.entries(&first)?.dimension();
            bytes = bytes.saturating_add(4 * exemplars.len() as u64 * dimension as u64);
        }
    }
    if bytes > MOST_LAYER_BYTES {
        return Err(EvalError::LayerRows { exemplars: exemplars.len(), bytes });
    }
    Ok(())
}

impl SeedArena {
    fn new(
        model: &Arc<Model>,
        exemplars: &[Known],
        others: &[Image],
        experiment: &Experiment,
        seed: u64,
        folder: &Path,
    ) -> Result<Self, EvalError> {
        let mut ways: Vec<(&str, &TmmWay)> = Vec::new();
        let mut recipes: Vec<&ViewRecipe> = Vec::new();
        for Contestant { name, way } in &experiment.contestants {
            let Way::Tmm(way) = way else { continue };
            ways.push((name, way));
            for recipe in &way.views {
                if !recipes.contains(&recipe) {
                    recipes.push(recipe);
                }
            }
        }
        if recipes.len() > MAX_DECLARED_VIEWS {
            let (what, found, most) = ("views", recipes.len(), MAX_DECLARED_VIEWS);
            return Err(EvalError::Range { what, found, least: 0, most });
        }
        let fitted = if recipes.iter().any(|recipe| recipe.needs_fitting()) {
            let pixels: Vec<Pixels> =
                exemplars.iter().take(AT_ONCE).map(|known| model.prepare(&known.image)).collect();
            Some(fitted_trigger(model, &pixels, seed)?)
        } else {
            None
        };
        let view = |recipe: &ViewRecipe| recipe.view(model, fitted.as_ref(), seed);
        let reranker = |config: TmmConfig, views: Vec<TmmView>, contestant: &str| {
            let made = TmmReranker::new(Arc::clone(model), config)
                .map_err(|source| EvalError::Settings { contestant: contestant.to_owned(), source })?;
            Ok::<_, EvalError>(made.with_views(views)?)
        };
        let all = recipes.iter().map(|recipe| view(recipe)).collect::<Result<Vec<_>, _>>()?;
        let collection = stored(model, exemplars, reranker(TmmConfig::default(), all, "all")?, folder)?;
        let snapshot = collection.snapshot(&Budget::unlimited());
        let ids = snapshot.ids();
        let mut fighters = BTreeMap::new();
        for (name, way) in ways {
            let config =
                way.config().map_err(|source| EvalError::Settings { contestant: name.to_owned(), source })?;
            let views = way.views.iter().map(view).collect::<Result<Vec<_>, _>>()?;
            let reranker = reranker(config.clone(), views, name)?;
            let fighter = Fighter {
                way: way.clone(),
                config,
                reranker,
                prior: OnceLock::new(),
                others: others.to_vec(),
            };
            fighters.insert(name.to_owned(), fighter);
        }
        Ok(Self { seed, snapshot, ids, fighters })
    }

    fn scores(&self, contestant: &str, image: &Image) -> Result<Vec<f32>, EvalError> {
        let Some(fighter) = self.fighters.get(contestant) else {
            return Err(EvalError::Experiment { reason: format!("\"{contestant}\" is no contestant") });
        };
        let mut scores = self.raw_scores(contestant, fighter, image)?;
        if fighter.way.minus_prior {
            if fighter.prior.get().is_none() {
                let mut sums = vec![0.0_f32; self.ids.len()];
                for other in &fighter.others {
                    let of_other = self.raw_scores(contestant, fighter, other)?;
                    let share = 1.0 / fighter.others.len() as f32;
                    sums.iter_mut().zip(of_other).for_each(|(sum, score)| *sum += share * score);
                }
                // Nobody else can have been quicker to anything else.
                drop(fighter.prior.set(sums));
            }
            let prior = fighter.prior.get().into_iter().flatten();
            scores.iter_mut().zip(prior).for_each(|(score, prior)| *score -= prior);
        }
        Ok(scores)
    }

    fn raw_scores(&self, contestant: &str, fighter: &Fighter, image: &Image) -> Result<Vec<f32>, EvalError> {
        let parameters = fighter.way.parameters();
        let job = RerankJob {
            query: image,
            query_label: None,
            query_rows: &QueryRows::default(),
            candidates: &self.ids,
            source: &self.snapshot,
            parameters: &parameters,
            seed: self.seed,
        };
        let failed = |source| EvalError::Rerank { contestant: contestant.to_owned(), source };
        let scores = fighter.reranker.rerank(&job, &Budget::unlimited()).map_err(failed)?.scores;
        let is_cascade = fighter.config.mode == Some(lookalike_tmm::Mode::Cascade);
        debug_assert!(is_cascade || scores.len() == self.ids.len(), "an unlimited budget scores all");
        Ok(scores)
    }
}

/// The collection of the exemplars, whose ids are their places.
fn stored(
    model: &Arc<Model>,
    exemplars: &[Known],
    reranker: TmmReranker,
    folder: &Path,
) -> Result<Collection, EvalError> {
    let (embedder, config) = (Arc::clone(model), StoreConfig::default());
    let database = if folder.exists() {
        Database::open(folder, embedder, config)?
    } else {
        Database::create(folder, embedder, config)?
    };
    let database = database.with_reranker(Arc::new(reranker));
    let collection = database.collection_or_create("exemplars")?;
    let items = exemplars.iter().enumerate().map(|(place, known)| IngestItem {
        key: format!("{place:06}"),
        image: ItemImage::Decoded(known.image.clone()),
        label: known.label.clone(),
        tags: [].into(),
    });
    let _report = collection.ingest(items, &Budget::unlimited(), &mut |_| {})?;
    for place in 0..exemplars.len() {
        let record = collection.get(&format!("{place:06}"))?;
        if record.is_none_or(|record| record.id as usize != place) {
            return Err(EvalError::Stored { place });
        }
    }
    Ok(collection)
}
