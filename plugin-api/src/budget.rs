use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A flag that asks work to stop; clones share it.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// Asks everything that holds a clone of this flag to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What long work may spend: a deadline, a cancel flag and a limit on steps, in one.
///
/// Work polls [`Budget::exhausted`] at least every 50 ms. Running out is not an error: what was reached so far is
/// returned together with the [`Completion`].
///
/// # Examples
///
/// ```
/// use lookalike_plugin_api::{Budget, Completion};
///
/// let budget = Budget::unlimited().with_step_limit(2);
/// assert_eq!(budget.spend(1), None);
/// assert_eq!(budget.spend(1), None);
/// assert_eq!(budget.spend(1), Some(Completion::StepLimit));
/// ```
#[derive(Debug, Clone)]
pub struct Budget {
    deadline: Option<Instant>,
    cancel: CancelFlag,
    step_limit: Option<u64>,
    // Shared by clones, so that a limit holds for a query however many threads work on it.
    spent: Arc<AtomicU64>,
}

impl Budget {
    /// No limit at all.
    pub fn unlimited() -> Self {
        Self { deadline: None, cancel: CancelFlag::default(), step_limit: None, spent: Arc::default() }
    }

    /// The same budget, ending `limit` from now. A limit too far away for the clock is no limit.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.deadline = Instant::now().checked_add(limit);
        self
    }

    /// The same budget, ending when `cancel` is set.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancelFlag) -> Self {
        self.cancel = cancel;
        self
    }

    /// The same budget, ending after `steps` steps. What a step is, the one who spends it says: the TMM plugin
    /// counts one per optimiser update and one per scored candidate.
    #[must_use]
    pub fn with_step_limit(mut self, steps: u64) -> Self {
        self.step_limit = Some(steps);
        self
    }

    /// The same deadline and flag without a limit on steps, for work whose steps were taken from the budget before.
    #[must_use]
    pub fn without_step_limit(&self) -> Self {
        Self { step_limit: None, ..self.clone() }
    }

    /// Takes `steps` from the budget; `Some` says why the work for them must not begin.
    pub fn spend(&self, steps: u64) -> Option<Completion> {
        let before = self.spent.fetch_add(steps, Ordering::Relaxed);
        if self.step_limit.is_some_and(|limit| before.saturating_add(steps) > limit) {
            return Some(Completion::StepLimit);
        }
        self.exhausted()
    }

    /// Why work must stop now, if it must.
    pub fn exhausted(&self) -> Option<Completion> {
        if self.cancel.is_cancelled() {
            Some(Completion::Cancelled)
        } else if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            Some(Completion::Deadline)
        } else if self.step_limit.is_some_and(|limit| self.spent.load(Ordering::Relaxed) > limit) {
            Some(Completion::StepLimit)
        } else {
            None
        }
    }
}

/// How work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// All of it was done.
    Complete,
    /// The deadline passed.
    Deadline,
    /// The caller asked to stop.
    Cancelled,
    /// The step limit was reached.
    StepLimit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_reaches_every_clone() {
        let flag = CancelFlag::default();
        let budget = Budget::unlimited().with_cancel(flag.clone());
        let clone = budget.clone();
        assert_eq!(clone.exhausted(), None);
        flag.cancel();
        assert_eq!(clone.exhausted(), Some(Completion::Cancelled));
    }

    #[test]
    fn a_deadline_of_zero_is_over_at_once() {
        let budget = Budget::unlimited().with_time_limit(Duration::ZERO);
        assert_eq!(budget.exhausted(), Some(Completion::Deadline));
    }

    #[test]
    fn clones_share_the_step_limit() {
        let budget = Budget::unlimited().with_step_limit(3);
        assert_eq!(budget.clone().spend(3), None);
        assert_eq!(budget.spend(1), Some(Completion::StepLimit));
    }

    #[test]
    fn without_its_step_limit_a_budget_still_ends_when_cancelled() {
        let flag = CancelFlag::default();
        let budget = Budget::unlimited().with_cancel(flag.clone()).with_step_limit(1);
        assert_eq!(budget.spend(2), Some(Completion::StepLimit));
        let rest = budget.without_step_limit();
        assert_eq!(rest.exhausted(), None);
        flag.cancel();
        assert_eq!(rest.exhausted(), Some(Completion::Cancelled));
    }
}
