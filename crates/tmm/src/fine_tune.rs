use lookalike_plugin_api::{Budget, Completion, FeatureRows};

use crate::adam::Adam;
use crate::fisher::Fisher;
use crate::head::DummyHead;
use crate::kernel;
use crate::kernel::TILE;
use crate::score::DimensionError;

/// The rows that a head is fine-tuned on: the four data terms of equation 3.
#[derive(Debug, Clone, Copy)]
pub struct TrainingRows<'a> {
    /// `[p, d]`, at least one: rows that shall fall into the dummy class, the triggered query first.
    pub positives: &'a FeatureRows,
    /// `[1, d]` and its class: the clean query. `None` leaves the term out.
    pub query: Option<(&'a FeatureRows, usize)>,
    /// `[n, d]`: triggered exemplars.
    pub triggered: &'a FeatureRows,
    /// `[n, d]`: the same exemplars without the trigger. `None` leaves the term out.
    pub clean: Option<&'a FeatureRows>,
    /// `[n]`: class of each exemplar.
    pub labels: &'a [usize],
}

/// Elastic weight consolidation: `strength * sum of F (theta - theta_start)^2` over the model's own classes.
#[derive(Debug, Clone, Copy)]
pub struct Consolidation<'a> {
    /// Factor of the penalty, at least 0.
    pub strength: f64,
    /// What holds the weights.
    pub fisher: &'a Fisher,
}

impl Consolidation<'_> {
    /// Adds the gradient of the penalty for leaving `start`, by weight and bias, and returns the penalty.
    pub(crate) fn add(self, gradient: [&mut Vec<f32>; 2], head: &DummyHead, start: &DummyHead) -> f64 {
        let [weight, bias] = gradient;
        let parts = [
            (weight, head.weight(), start.weight(), &self.fisher.weight),
            (bias, head.bias(), start.bias(), &self.fisher.bias),
        ];
        let strength = self.strength as f32;
        let mut penalty = 0.0;
        for (gradient, now, start, fisher) in parts {
            // The information ends where the model's own classes end, which leaves the dummy class free.
            for (((slope, now), start), held) in gradient.iter_mut().zip(now).zip(start).zip(fisher) {
                let moved = now - start;
                *slope += 2.0 * strength * held * moved;
                penalty += f64::from(held * moved * moved);
            }
        }
        self.strength * penalty
    }
}

/// How [`fine_tune`] walks through the rows.
#[derive(Debug, Clone, Copy)]
pub struct Schedule<'a> {
    /// One list of exemplar positions per epoch, cut into batches from its front.
    pub order: &'a [Vec<usize>],
    /// Exemplars in a batch, at least 1; the last batch of an epoch may be smaller.
    pub batch: usize,
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// The penalty, if any.
    pub consolidation: Option<Consolidation<'a>>,
}

/// What [`fine_tune`] did.
#[derive(Debug, Clone, PartialEq)]
pub struct FineTuned {
    /// Loss before each update.
    pub trace: Vec<f32>,
    /// How it ended.
    pub completion: Completion,
}

/// Why a head cannot be fine-tuned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FineTuneError {
    /// Rows do not fit the head.
    #[error(transparent)]
    Dimension(#[from] DimensionError),
    /// There is no row for the dummy class.
    #[error("no row falls into the dummy class; give at least the triggered query")]
    NoPositive,
    /// Two things that go together have different lengths.
    #[error("{found} {what} were given, {expected} were expected")]
    Count {
        /// What is counted.
        what: &'static str,
        /// Number given.
        found: usize,
        /// Number that fits the rest.
        expected: usize,
    },
    /// A class or a position is past the end.
    #[error("{what} {found} is past the end, there are {count}")]
    Index {
        /// What the number names.
        what: &'static str,
        /// The number given.
        found: usize,
        /// How many there are.
        count: usize,
    },
    /// The loss or a weight became NaN or infinite.
    #[error("loss or weights are not finite after {updates} updates; lower the learning rate")]
    NotFinite {
        /// Updates made until then.
        updates: usize,
    },
}

/// Equation 3 on the head alone, with the closed-form gradient of softmax regression.
///
/// Per update the loss is the mean cross-entropy of the positives towards the dummy class, plus that of the clean
/// query towards its class, plus the batch means of triggered and clean exemplars towards theirs, plus the
/// consolidation penalty. One update is one step of the budget; when it runs out, the head is left as it is then.
///
/// *Determinism*: the same arguments give the same head on every processor of a platform, on any number of
/// threads (it uses one).
///
/// # Errors
///
/// [`FineTuneError`]; the head is unchanged then, except for [`FineTuneError::NotFinite`].
pub fn fine_tune(
    head: &mut DummyHead,
    rows: &TrainingRows<'_>,
    schedule: &Schedule<'_>,
    budget: &Budget,
) -> Result<FineTuned, FineTuneError> {
    check(head, rows, schedule)?;
    let optimiser = |parameters: &[f32]| Adam::new(parameters.len(), schedule.learning_rate);
    let mut optimisers = (optimiser(head.weight()), optimiser(head.bias()));
    let start = head.clone();
    let hold = schedule.consolidation.map(|consolidation| (consolidation, &start));
    let mut gradient = Gradient::new(head);
    let mut terms = Vec::new();
    let mut trace = Vec::new();
    for epoch in schedule.order {
        for batch in epoch.chunks(schedule.batch.max(1)) {
            if let Some(completion) = budget.spend(1) {
                return finished(head, trace, completion);
            }
            rows.terms(batch, head.classes(), &mut terms);
            let update =
                Update { head, gradient: &mut gradient, optimisers: &mut optimisers, terms: &terms, hold };
            let loss = pulp::Arch::new().dispatch(update);
            trace.push(loss as f32);
            if !loss.is_finite() {
                return Err(FineTuneError::NotFinite { updates: trace.len() });
            }
        }
    }
    finished(head, trace, Completion::Complete)
}

fn finished(head: &DummyHead, trace: Vec<f32>, completion: Completion) -> Result<FineTuned, FineTuneError> {
    if head.is_finite() {
        return Ok(FineTuned { trace, completion });
    }
    Err(FineTuneError::NotFinite { updates: trace.len() })
}

fn check(head: &DummyHead, rows: &TrainingRows<'_>, schedule: &Schedule<'_>) -> Result<(), FineTuneError> {
    let all = [Some(rows.positives), rows.query.map(|(row, _)| row), Some(rows.triggered), rows.clean];
    for rows in all.into_iter().flatten() {
        DimensionError::check(head.dimension(), rows)?;
    }
    if rows.positives.is_empty() {
        return Err(FineTuneError::NoPositive);
    }
    let expected = rows.triggered.len();
    let clean = rows.clean.map_or(expected, FeatureRows::len);
    let query = rows.query.map_or(1, |(row, _)| row.len());
    let counts =
        [("labels", rows.labels.len(), expected), ("clean rows", clean, expected), ("query rows", query, 1)];
    for (what, found, expected) in counts {
        if found != expected {
            return Err(FineTuneError::Count { what, found, expected });
        }
    }
    let classes = head.classes() - 1;
    for &found in rows.labels.iter().chain(rows.query.as_ref().map(|(_, class)| class)) {
        if found >= classes {
            return Err(FineTuneError::Index { what: "class", found, count: classes });
        }
    }
    if let Some(&found) = schedule.order.iter().flatten().find(|&&position| position >= expected) {
        return Err(FineTuneError::Index { what: "position", found, count: expected });
    }
    let Some(Consolidation { fisher, .. }) = schedule.consolidation else { return Ok(()) };
    let held = [
        ("fisher weights", fisher.weight.len(), classes * head.dimension()),
        ("fisher biases", fisher.bias.len(), classes),
    ];
    for (what, found, expected) in held {
        if found != expected {
            return Err(FineTuneError::Count { what, found, expected });
        }
    }
    Ok(())
}

/// One row of one loss term: its cross-entropy towards `class`, times `share`.
#[derive(Debug, Clone, Copy)]
struct Term<'a> {
    row: &'a [f32],
    class: usize,
    share: f32,
}

impl<'a> TrainingRows<'a> {
    /// All terms of one update on the exemplars at the positions `batch`.
    fn terms(&self, batch: &[usize], classes: usize, terms: &mut Vec<Term<'a>>) {
        terms.clear();
        let share = 1.0 / self.positives.len() as f32;
        terms.extend(self.positives.rows().map(|row| Term { row, class: classes - 1, share }));
        terms.extend(self.query.iter().map(|&(row, class)| Term { row: row.row(0), class, share: 1.0 }));
        let share = 1.0 / batch.len() as f32;
        for rows in [Some(self.triggered), self.clean].into_iter().flatten() {
            terms.extend(batch.iter().map(|&i| Term { row: rows.row(i), class: self.labels[i], share }));
        }
    }
}

/// One update of the head; a struct because the dispatch to the processor's vector instructions asks for one.
struct Update<'a, 'b> {
    head: &'a mut DummyHead,
    gradient: &'a mut Gradient,
    /// Of weight and bias.
    optimisers: &'a mut (Adam, Adam),
    terms: &'a [Term<'b>],
    hold: Option<(Consolidation<'b>, &'b DummyHead)>,
}

impl pulp::WithSimd for Update<'_, '_> {
    type Output = f64;

    /// The loss before the update.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the dispatch compiles what is inlined here for each processor")]
    fn with_simd<S: pulp::Simd>(self, _: S) -> f64 {
        let mut loss = self.gradient.of(self.head, self.terms);
        if let Some((consolidation, start)) = self.hold {
            let Gradient { weight, bias, .. } = self.gradient;
            loss += consolidation.add([weight, bias], self.head, start);
        }
        let (weight, bias) = self.head.parameters_mut();
        self.optimisers.0.update(weight, &self.gradient.weight);
        self.optimisers.1.update(bias, &self.gradient.bias);
        loss
    }
}

/// Gradient of the loss with respect to the head, and room for the logits it is made from.
struct Gradient {
    weight: Vec<f32>,
    bias: Vec<f32>,
    /// Logits of a tile of rows, then their derivatives.
    slopes: Vec<f32>,
}

impl Gradient {
    fn new(head: &DummyHead) -> Self {
        Self {
            weight: vec![0.0; head.weight().len()],
            bias: vec![0.0; head.classes()],
            slopes: vec![0.0; TILE * head.classes()],
        }
    }

    /// Sets the gradient of the data terms and returns their loss.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled inside the caller's processor dispatch")]
    fn of(&mut self, head: &DummyHead, terms: &[Term<'_>]) -> f64 {
        let classes = head.classes();
        self.weight.fill(0.0);
        self.bias.fill(0.0);
        let mut loss = 0.0;
        for tile in terms.chunks(TILE) {
            self.slopes.fill(0.0);
            for (term, slopes) in tile.iter().zip(self.slopes.chunks_exact_mut(classes)) {
                kernel::logits(head.weight(), head.bias(), term.row, slopes);
                loss += kernel::cross_entropy(slopes, term.class, term.share);
            }
            // A tile that is not full repeats its last row, with slopes of zero.
            let rows = std::array::from_fn(|i| tile[i.min(tile.len() - 1)].row);
            kernel::add_rows(&mut self.weight, rows, &self.slopes);
            for slopes in self.slopes.chunks_exact(classes) {
                self.bias.iter_mut().zip(slopes).for_each(|(bias, slope)| *bias += slope);
            }
        }
        loss
    }
}

#[cfg(test)]
mod tests;
