use lookalike_plugin_api::{Artifact, FeatureRows, RerankError, Space, View};
use lookalike_vision::Pixels;

use super::explain::{Seen, Term};
use super::halt::Halt;
use super::judge::{Printed, Training, ViewJudge, others};
use super::query::QueryRun;
use crate::{Copies, FeatureSpace, LogitMap, Mode};

/// Candidates between two looks at the budget: 32 MiB of rows of 512 values. Not fewer, because the host turns the
/// directions anew for each of these groups.
const SCANNED_AT_ONCE: usize = 16_384;

/// The query's raw rows in one view: itself, and its disturbed copies after it.
struct QueryView {
    name: String,
    rows: FeatureRows,
}

impl QueryRun<'_> {
    /// A dummy class in the clean view and in each stored one, fine-tuned on stored rows, and a scan of the candidates'
    /// stored rows.
    pub(crate) fn shared(&mut self, scores: &mut Vec<f32>) -> Result<(), Halt> {
        let query = self.timed("embed", |run, _| run.query_views())?;
        let judges = self.timed("fine_tune", |run, steps| run.stored_heads(&query, steps))?;
        self.timed("score", |run, steps| {
            run.scan(scores, steps, |run, ids, sums| {
                let (embedding, kind) = (run.embedding(), run.config.score);
                judges.iter().try_for_each(|judge| judge.add_scores("score", &embedding, kind, ids, sums))
            })
        })?;
        if self.is_explained() && self.config.mode == Mode::Shared {
            let terms: Vec<Term> =
                judges.into_iter().map(|judge| self.term(judge)).collect::<Result<_, Halt>>()?;
            self.explain(self.job.candidates, scores, &terms)?;
        }
        Ok(())
    }

    fn term(&self, judge: ViewJudge) -> Result<Term, Halt> {
        let number = self.views.iter().position(|view| view.name() == judge.view);
        let seen = number.map_or(Seen::Clean, Seen::View);
        match judge.space {
            Space::Raw => Ok(Term { map: LogitMap::raw(judge.head), seen }),
            Space::Whitened => self.whitened_term(&judge.view, judge.head, seen),
        }
    }

    /// Whitened cosine in the clean view and in each stored one, summed; of the query's copies the best counts, or the
    /// mean.
    pub(crate) fn stored_views(&mut self, scores: &mut Vec<f32>) -> Result<(), Halt> {
        const STAGE: &str = "score";
        let query = self.timed("embed", |run, _| run.query_views())?;
        self.timed(STAGE, |run, steps| {
            let embedding = run.embedding();
            let directions: Vec<(String, FeatureRows)> = query
                .into_iter()
                .map(|QueryView { name, rows }| {
                    let rows = embedding.whitened(STAGE, &name, &rows)?;
                    Ok((name, rows))
                })
                .collect::<Result<_, Halt>>()?;
            run.scan(scores, steps, |run, ids, sums| {
                for (view, directions) in &directions {
                    let cosines = run.job.source.project(view, Space::Whitened, directions, ids);
                    let cosines = cosines.map_err(|error| Halt::of_source(STAGE, error))?;
                    for (sum, cosines) in sums.iter_mut().zip(cosines.rows()) {
                        *sum += match run.config.copies {
                            Copies::Best => cosines.iter().copied().fold(f32::NEG_INFINITY, f32::max),
                            Copies::Mean => cosines.iter().sum::<f32>() / cosines.len() as f32,
                        };
                    }
                }
                Ok(())
            })
        })?;
        self.explain(self.job.candidates, scores, &[])
    }

    /// The query in the clean view and in all others, in their order.
    fn query_views(&mut self) -> Result<Vec<QueryView>, Halt> {
        const STAGE: &str = "embed";
        let (images, embedding) = (self.query_images(), self.embedding());
        let clean = QueryView { name: View::CLEAN.to_owned(), rows: embedding.images(STAGE, &images)? };
        let others = self.views.iter().map(|view| {
            let seen: Vec<Pixels> = images.iter().map(|image| view.apply(image)).collect();
            Ok(QueryView { name: view.name().to_owned(), rows: embedding.images(STAGE, &seen)? })
        });
        std::iter::once(Ok(clean)).chain(others).collect()
    }

    fn stored_heads(&mut self, query: &[QueryView], steps: &mut u64) -> Result<Vec<ViewJudge>, Halt> {
        const STAGE: &str = "fine_tune";
        let background = self.background(STAGE)?;
        let embedding = self.embedding();
        let mut training = Training { config: self.config, seed: self.job.seed, embedding, steps: 0 };
        let mut margin = 0.0;
        let mut judges = Vec::with_capacity(query.len());
        let mut train = || -> Result<(), Halt> {
            match (self.config.feature_space, query) {
                (FeatureSpace::Raw, [clean, others @ ..]) => {
                    let reason = "in the raw feature space this mode needs a view with a trigger; declare one, or set \
                                  feature_space to whitened";
                    let (triggered, _) = others
                        .iter()
                        .zip(self.views)
                        .find(|(_, view)| view.is_triggered())
                        .ok_or(Halt::Failed(RerankError::Undefined { stage: STAGE, reason }))?;
                    let own = FeatureRows::new(clean.rows.dimension(), clean.rows.row(0).to_vec());
                    let own = own.map_err(|error| Halt::of_step(STAGE, error))?;
                    let class = self.query_class(&own);
                    let others = background.rows(&embedding, STAGE, &triggered.name, Space::Raw)?;
                    let printed =
                        Printed { query: (&own, class), positives: &triggered.rows, triggered: &others };
                    let made = training.printed(&background, &printed)?;
                    margin = made.margin;
                    judges.push(ViewJudge::new(STAGE, &triggered.name, Space::Raw, made.head)?);
                }
                (FeatureSpace::Raw | FeatureSpace::Whitened, views) => {
                    for QueryView { name, rows } in views {
                        let positives = embedding.whitened(STAGE, name, rows)?;
                        let made =
                            training.one_class(&positives, &*others(&embedding, &background, name)?)?;
                        margin = made.margin;
                        judges.push(ViewJudge::new(STAGE, name, Space::Whitened, made.head)?);
                    }
                }
            }
            Ok(())
        };
        let trained = train();
        *steps += training.steps;
        trained?;
        self.artifacts.push(Artifact::Number { name: "margin", value: f64::from(margin) });
        Ok(judges)
    }

    /// Scores the candidates in their order, some at once; `add` adds what each view thinks of them.
    fn scan(
        &mut self,
        scores: &mut Vec<f32>,
        steps: &mut u64,
        add: impl Fn(&Self, &[lookalike_plugin_api::ExemplarId], &mut [f32]) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        self.score_groups(self.job.candidates, SCANNED_AT_ONCE, scores, steps, |run, group| {
            let mut sums = vec![0.0; group.len()];
            add(run, group, &mut sums)?;
            Ok((sums, None))
        })
    }
}
