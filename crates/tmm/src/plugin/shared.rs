use lookalike_plugin_api::{Artifact, FeatureRows, RerankError, Space};

use super::TmmReranker;
use super::explain::{Seen, Term};
use super::judge::{Printed, Training, ViewJudge, others};
use crate::config::{FeatureSpace, Mode};
use crate::logit_map::LogitMap;
use crate::run::QueryRun;
use crate::run::halt::Halt;
use crate::run::query_views::{QUERY_VIEWS, QueryView};

/// Words of the stages that fit and score, alone and before the exact ones of a cascade.
const ALONE: [&str; 2] = ["fine_tune", "score"];
const BEFORE_EXACT: [&str; 2] = ["shared_fine_tune", "shared_score"];

impl QueryRun<'_, TmmReranker> {
    /// A dummy class in the clean view and in each stored one, fine-tuned on stored rows, and a scan of the candidates'
    /// stored rows.
    pub(crate) fn shared(&mut self, scores: &mut Vec<f32>) -> Result<(), Halt> {
        let is_alone = self.config.mode != Some(Mode::Cascade);
        let [fine_tune, score] = if is_alone { ALONE } else { BEFORE_EXACT };
        let copies = self.config.positives;
        let query = self.timed(QUERY_VIEWS, |run, _| run.query_views(copies))?;
        let judges = self.timed(fine_tune, |run, steps| run.stored_heads(&query, steps))?;
        self.timed(score, |run, steps| {
            run.scan(scores, steps, |run, ids, sums| {
                let (embedding, kind) = (run.embedding(), run.config.score);
                judges.iter().try_for_each(|judge| judge.add_scores(score, &embedding, kind, ids, sums))
            })
        })?;
        if self.is_explained() && is_alone {
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
}
