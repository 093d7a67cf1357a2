//! What is shown beside the scores on request: heat maps of the best candidates, and how far the query may move.

use lookalike_plugin_api::{Artifact, ExemplarId, order_by_score};
use lookalike_vision::Pixels;

use super::TmmReranker;
use crate::certificate::{CertificateSearch, certify};
use crate::config::Certify;
use crate::head::DummyHead;
use crate::heat_map::{ScoreTerm, heat_map};
use crate::logit_map::LogitMap;
use crate::run::QueryRun;
use crate::run::embedding::Overlay;
use crate::run::halt::Halt;
use crate::run::measure::{EXPLAIN as STAGE, finished};

/// One addend of the scores: a dummy class over what the network sees.
pub(crate) struct Term {
    pub(crate) map: LogitMap,
    pub(crate) seen: Seen,
}

/// What the network sees of an image in a term.
#[derive(Clone)]
pub(crate) enum Seen {
    /// The image.
    Clean,
    /// The image with the query's trigger.
    Triggered(Overlay),
    /// The image in the reranker's view of this number.
    View(usize),
}

impl QueryRun<'_, TmmReranker> {
    pub(crate) fn is_explained(&self) -> bool {
        self.config.heat_maps > 0 || self.config.certify != Certify::Off
    }

    /// A term on rows whitened by the host.
    pub(crate) fn whitened_term(&self, view: &str, head: DummyHead, seen: Seen) -> Result<Term, Halt> {
        let probes = LogitMap::probes(&head).map_err(|error| Halt::of_step(STAGE, error))?;
        let probes = self.job.source.whiten(view, &probes).map_err(|error| Halt::of_source(STAGE, error))?;
        let map = LogitMap::whitened(head, &probes).map_err(|error| Halt::of_step(STAGE, error))?;
        Ok(Term { map, seen })
    }

    /// Makes what was asked for. The scores are there already: a budget that ends leaves a note and no more.
    pub(crate) fn explain(
        &mut self,
        candidates: &[ExemplarId],
        scores: &[f32],
        terms: &[Term],
    ) -> Result<(), Halt> {
        if !self.is_explained() || scores.is_empty() {
            return Ok(());
        }
        self.explained(|run, steps| {
            let mut order: Vec<(ExemplarId, f32)> =
                candidates.iter().copied().zip(scores.iter().copied()).collect();
            order_by_score(&mut order);
            let best: Vec<ExemplarId> = order.iter().take(run.config.heat_maps).map(|(id, _)| *id).collect();
            *steps = best.len() as u64;
            run.heat_maps(&best, terms)?;
            run.certificate(terms)?;
            match run.config.certify {
                Certify::Measured => {
                    run.measure(run.config.certificate_radius, run.config.certificate_points)
                }
                Certify::Off | Certify::Bound => Ok(()),
            }
        })
    }

    fn heat_maps(&mut self, best: &[ExemplarId], terms: &[Term]) -> Result<(), Halt> {
        if best.is_empty() {
            return Ok(());
        }
        if terms.is_empty() {
            self.note("no heat map: the dummy class is on a layer of the query's own".to_owned());
            return Ok(());
        }
        let mut clean: Vec<Pixels> = Vec::with_capacity(best.len());
        // One at a time: a decoded photograph is large.
        for id in best {
            self.embedding().poll()?;
            let images = self.job.source.images(&[*id]).map_err(|error| Halt::of_source(STAGE, error))?;
            clean.extend(images.iter().map(|image| self.model.prepare(image)));
        }
        let mut seen: Vec<(&LogitMap, Vec<Pixels>, f32)> = Vec::with_capacity(terms.len());
        for Term { map, seen: how } in terms {
            match self.slope(how) {
                Some(slope) => {
                    seen.push((map, clean.iter().map(|image| self.seen(how, image)).collect(), slope));
                }
                None => self.note(
                    "the heat maps leave out views that move pixels: what they see lies elsewhere".to_owned(),
                ),
            }
        }
        let terms: Vec<ScoreTerm<'_>> =
            seen.iter().map(|(map, images, slope)| ScoreTerm { map, images, slope: *slope }).collect();
        let made = heat_map(self.model, &terms, self.budget).map_err(|error| Halt::of_step(STAGE, error))?;
        let maps = best.iter().zip(made.maps);
        self.artifacts.extend(maps.map(|(&exemplar, image)| Artifact::HeatMap { exemplar, image }));
        finished(made.completion)
    }

    fn certificate(&mut self, terms: &[Term]) -> Result<(), Halt> {
        if self.config.certify == Certify::Off {
            return Ok(());
        }
        // Of the class that the trigger or the first view makes; the clean image says little of a trigger.
        let Some(term) = terms.iter().find(|term| !matches!(term.seen, Seen::Clean)) else {
            self.note("no certificate: the dummy class is on a layer of the query's own".to_owned());
            return Ok(());
        };
        let search = CertificateSearch {
            radius: self.config.certificate_radius,
            points: self.config.certificate_points,
            seed: self.job.seed,
        };
        let query = self.seen(&term.seen, &self.prepared());
        let found = certify(self.model, &term.map, &query, &search, self.budget)
            .map_err(|error| Halt::of_step(STAGE, error))?;
        let numbers = [
            ("certificate_margin", Some(f64::from(found.margin))),
            ("lipschitz_estimate", found.lipschitz_estimate),
            ("certified_radius_estimate", found.bound_estimate()),
        ];
        let known = numbers.into_iter().filter_map(|(name, value)| Some((name, value?)));
        self.artifacts.extend(known.map(|(name, value)| Artifact::Number { name, value }));
        finished(found.completion)
    }

    fn seen(&self, seen: &Seen, image: &Pixels) -> Pixels {
        match seen {
            Seen::Clean => image.clone(),
            Seen::Triggered(overlay) => overlay.on(image),
            Seen::View(number) => self.views[*number].apply(image),
        }
    }

    /// How much of a pixel is in the pixel of the same place; `None` where places are moved or mixed.
    fn slope(&self, seen: &Seen) -> Option<f32> {
        match seen {
            Seen::Clean => Some(1.0),
            Seen::Triggered(overlay) => Some(overlay.trigger.slope(overlay.blend, overlay.omega)),
            Seen::View(number) => self.views[*number].slope(),
        }
    }
}
