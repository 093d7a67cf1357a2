//! The query in every stored view, and a scan of the rows that are stored there.

use lookalike_plugin_api::{ExemplarId, FeatureRows, SourceError, View};
use lookalike_vision::Pixels;

use super::halt::Halt;
use super::{Method, QueryRun};

/// The stage that makes the query's rows in the views.
pub(crate) const QUERY_VIEWS: &str = "query_views";

/// Candidates between two looks at the budget: 32 MiB of rows of 512 values. Not fewer, because the host turns the
/// directions anew for each of these groups.
const SCANNED_AT_ONCE: usize = 16_384;

/// The query's raw rows in one view: itself, and its disturbed copies after it.
pub(crate) struct QueryView {
    pub(crate) name: String,
    pub(crate) rows: FeatureRows,
}

impl<M: Method> QueryRun<'_, M> {
    /// The query and `copies` of it in the clean view and in all others, in their order.
    pub(crate) fn query_views(&mut self, copies: usize) -> Result<Vec<QueryView>, Halt> {
        let images = self.query_images(copies);
        let clean = self.query_rows(QUERY_VIEWS, View::CLEAN, &images, Pixels::clone)?;
        let clean = QueryView { name: View::CLEAN.to_owned(), rows: clean };
        let others = self.views.iter().map(|view| {
            let rows = self.query_rows(QUERY_VIEWS, view.name(), &images, |image| view.apply(image))?;
            Ok(QueryView { name: view.name().to_owned(), rows })
        });
        std::iter::once(Ok(clean)).chain(others).collect()
    }

    /// Rows of the query, which is the first of `images`, and of its copies in a view, as `seen` there. The query's own
    /// is the host's if it has made it.
    pub(crate) fn query_rows(
        &self,
        stage: &'static str,
        view: &str,
        images: &[Pixels],
        seen: impl Fn(&Pixels) -> Pixels,
    ) -> Result<FeatureRows, Halt> {
        let (embedding, expected) = (self.embedding(), self.model.head().dimension());
        let known = self.job.query_rows.get(view).filter(|_| self.query.is_none());
        let Some(known) = known else {
            let images: Vec<Pixels> = images.iter().map(seen).collect();
            return embedding.images(stage, &images);
        };
        if known.len() != expected {
            let found = known.len();
            return Err(Halt::of_source(stage, SourceError::Dimension { found, expected }));
        }
        let copies: Vec<Pixels> = images.iter().skip(1).map(seen).collect();
        let copies = embedding.images(stage, &copies)?;
        embedding.rows(stage, [known, copies.values()].concat())
    }

    /// Scores the candidates in their order, some at once; `add` adds what each view thinks of them.
    pub(crate) fn scan(
        &mut self,
        scores: &mut Vec<f32>,
        steps: &mut u64,
        add: impl Fn(&Self, &[ExemplarId], &mut [f32]) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        self.score_groups(self.job.candidates, SCANNED_AT_ONCE, scores, steps, |run, group| {
            let mut sums = vec![0.0; group.len()];
            add(run, group, &mut sums)?;
            Ok((sums, None))
        })
    }
}
