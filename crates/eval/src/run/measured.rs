use std::collections::{BTreeSet, HashMap};

use lookalike_plugin_api::{ExemplarId, Image, SplitMix64};

use super::targets::Targets;
use crate::attack::{Attack, Ball, attack_features};
use crate::condition::{Aim, Condition};
use crate::contest::{Arena, Asked, Baseline, Contestant, Way};
use crate::error::EvalError;
use crate::experiment::{Experiment, Protocol};
use crate::measure::{
    DEFAULT_PERSISTENCE, average_precision_at_r, mean_latent_distance, overlap_at, precision_at,
    rank_biased_overlap, rank_of, shortlist_ceiling,
};
use crate::ranking::best_first;
use crate::record::{Ceiling, Record};
use crate::subject::AskedFor;
use crate::subject::Subject;

/// Metrics whose shortlists have a ceiling.
const SHORTLIST_METRICS: [Baseline; 3] = [Baseline::L2, Baseline::Cosine, Baseline::Whitened];

/// Steps of an attack: as many as Madry et al. (2018) take against their weaker networks.
const ATTACK_STEPS: usize = 20;

/// The lists of the clean queries, by contestant, seed and query.
#[derive(Debug)]
pub(super) struct Clean(HashMap<(String, usize, usize), Vec<(ExemplarId, f32)>>);

impl Clean {
    pub(super) fn of(records: &[Record]) -> Self {
        let key = |record: &Record| (record.contestant.clone(), record.seed, record.query);
        Self(records.iter().map(|record| (key(record), record.neighbours())).collect())
    }
}

/// What the measures of a condition are taken of.
pub(super) struct Measuring<'a> {
    pub(super) arena: &'a Arena,
    pub(super) subject: &'a Subject,
    pub(super) experiment: &'a Experiment,
    pub(super) protocol: Protocol,
    pub(super) targets: &'a Targets,
    /// None while the clean condition itself is measured.
    pub(super) clean: Option<&'a Clean>,
}

impl Measuring<'_> {
    /// All queries under a condition, by all contestants.
    pub(super) fn condition(&self, condition: &Condition) -> Result<(Vec<Record>, Vec<Ceiling>), EvalError> {
        let (mut records, mut ceilings) = (Vec::new(), Vec::new());
        for (query, asked_for) in self.subject.queries(self.protocol).iter().enumerate() {
            let asked = self.arena.ask(self.disturbed(condition, asked_for, query)?)?;
            let right = self.is_right(&asked, asked_for);
            let mut orders: Vec<(&Contestant, Vec<ExemplarId>)> = Vec::new();
            for contestant in &self.experiment.contestants {
                let seeds = if contestant.way.is_seeded() { self.experiment.trigger_seeds } else { 1 };
                for seed in 0..seeds {
                    let scored = self.arena.scores(contestant, seed, &asked)?;
                    let order = best_first(&scored.scores);
                    let record = self.record(contestant, seed, query, &scored.scores, &order)?;
                    let microseconds = u64::try_from(scored.elapsed.as_micros()).unwrap_or(u64::MAX);
                    records.push(Record { right, microseconds, ..record });
                    if seed == 0 {
                        orders.push((contestant, order));
                    }
                }
            }
            self.add_ceilings(query, &orders, &mut ceilings)?;
        }
        // By contestant, as they are read: the times of one ranking stand together.
        records.sort_by(|a, b| (&a.contestant, a.seed, a.query).cmp(&(&b.contestant, b.seed, b.query)));
        Ok((records, ceilings))
    }

    fn disturbed(&self, condition: &Condition, asked: &AskedFor, query: usize) -> Result<Image, EvalError> {
        let seed = self.experiment.seed;
        let image = condition.apply(&asked.known.image, seed, query as u64);
        match condition {
            Condition::Attacked(aim, reach) => self.attacked(&image, *aim, *reach, query),
            Condition::Clean | Condition::Disturbed(_) | Condition::Corrupted(..) => Ok(image),
        }
    }

    /// The image after an attack, in 8 bits as every query is: rounded, but never out of the ball.
    fn attacked(&self, image: &Image, aim: Aim, reach: f32, query: usize) -> Result<Image, EvalError> {
        let model = self.arena.model();
        let seed = self.experiment.seed ^ SplitMix64::mix(!(query as u64));
        let settings = Attack { ball: Ball::LInf(reach), steps: ATTACK_STEPS, step_size: reach / 4.0, seed };
        let clean = model.prepare(image);
        let pixels = match aim {
            Aim::Features => attack_features(model, &clean, &settings)?.pixels,
            Aim::Score => {
                let asked = &self.subject.queries(self.protocol)[query];
                let class = self.targets.class(model, self.subject, (query, asked), seed)?;
                class.attack(model, &clean, &settings)?.pixels
            }
        };
        let plane = pixels.height() * pixels.width();
        #[expect(clippy::cast_sign_loss, reason = "cut to 0..=255 before")]
        let sample = |place: usize| {
            let at = place % pixels.channels() * plane + place / pixels.channels();
            let (was, now) = (clean.values()[at] * 255.0, pixels.values()[at] * 255.0);
            let (least, most) = ((was - 255.0 * reach).ceil(), (was + 255.0 * reach).floor());
            // A ball that holds no 8-bit value but the clean one leaves that.
            let kept = if least <= most { now.round().clamp(least, most) } else { was.round() };
            kept.clamp(0.0, 255.0) as u8
        };
        let samples = (0..plane * pixels.channels()).map(sample).collect();
        Ok(Image::new(pixels.height(), pixels.width(), pixels.channels(), samples)?)
    }

    fn is_right(&self, asked: &Asked, asked_for: &AskedFor) -> Option<bool> {
        let label = asked_for.known.label.as_deref()?;
        let classes = &self.arena.model().manifest().classes;
        let class = classes.iter().position(|class| class == label)?;
        Some(self.arena.predicted(asked)? == class)
    }

    fn record(
        &self,
        contestant: &Contestant,
        seed: usize,
        query: usize,
        scores: &[f32],
        order: &[ExemplarId],
    ) -> Result<Record, EvalError> {
        let asked = &self.subject.queries(self.protocol)[query];
        let k = self.experiment.neighbours;
        let nearest: Vec<(ExemplarId, f32)> =
            order.iter().take(k).map(|id| (*id, scores[*id as usize])).collect();
        let others: Vec<ExemplarId> =
            order.iter().copied().filter(|id| Some(*id as usize) != asked.original).collect();
        let (precision, average_precision) = self.by_label(asked, &others)?;
        let clean = self.clean.and_then(|Clean(lists)| lists.get(&(contestant.name.clone(), seed, query)));
        let ids = |list: &[(ExemplarId, f32)]| list.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        let overlap = clean.map(|clean| overlap_at(&ids(clean), &ids(&nearest), k)).transpose()?;
        let rbo = clean.map(|clean| rank_biased_overlap(clean, &nearest, DEFAULT_PERSISTENCE)).transpose()?;
        let inside = self.subject.exemplars.len() - self.subject.outliers;
        let outliers = nearest.iter().filter(|(id, _)| *id as usize >= inside).count();
        let nearest: Vec<String> = nearest.iter().map(|(id, score)| format!("{id}:{score}")).collect();
        Ok(Record {
            contestant: contestant.name.clone(),
            seed,
            query,
            rank: asked.original.map(|original| rank_of(scores, original)).transpose()?,
            precision,
            average_precision,
            right: None,
            overlap,
            rank_biased_overlap: rbo,
            latent: mean_latent_distance(
                &asked.known,
                others[..k.min(others.len())].iter().map(|id| &self.subject.exemplars[*id as usize]),
            ),
            outliers: outliers as f64 / k as f64,
            microseconds: 0,
            nearest: nearest.join(" "),
        })
    }

    /// Precision among the nearest and average precision at R; `others` are all exemplars but the original.
    fn by_label(
        &self,
        asked: &AskedFor,
        others: &[ExemplarId],
    ) -> Result<(Option<f64>, Option<f64>), EvalError> {
        let Some(label) = &asked.known.label else { return Ok((None, None)) };
        let relevant: Vec<bool> = others
            .iter()
            .map(|id| self.subject.exemplars[*id as usize].label.as_ref() == Some(label))
            .collect();
        let r = relevant.iter().filter(|hit| **hit).count();
        let precision = precision_at(&relevant, self.experiment.neighbours)?;
        let average = if r == 0 { None } else { Some(average_precision_at_r(&relevant, r)?) };
        Ok((Some(precision), average))
    }

    fn add_ceilings(
        &self,
        query: usize,
        orders: &[(&Contestant, Vec<ExemplarId>)],
        ceilings: &mut Vec<Ceiling>,
    ) -> Result<(), EvalError> {
        let metrics = orders.iter().filter(
            |(contestant, _)| matches!(&contestant.way, Way::Baseline(way) if SHORTLIST_METRICS.contains(way)),
        );
        let k = self.experiment.neighbours;
        for (metric, shortlist) in metrics {
            // Lengths beyond the collection are one.
            let lengths: BTreeSet<usize> =
                self.experiment.shortlists.iter().map(|length| *length.min(&shortlist.len())).collect();
            for (full, order) in orders.iter().filter(|(contestant, _)| matches!(contestant.way, Way::Tmm(_)))
            {
                for &length in &lengths {
                    let kept = shortlist_ceiling(order, k, shortlist, length)?;
                    let (full, metric) = (full.name.clone(), metric.name.clone());
                    ceilings.push(Ceiling { full, metric, length, query, kept });
                }
            }
        }
        Ok(())
    }
}
