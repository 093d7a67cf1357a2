//! What lets a batch be decoded while another is in the model and a third is stored, in input order.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lookalike_plugin_api::{Budget, Completion};

/// Batches between input and store: one is decoded, one is in the model.
pub(super) const FEEDERS: usize = 2;

/// A value with its place in the input.
pub(super) struct Numbered<T> {
    pub(super) number: u64,
    pub(super) value: T,
}

/// The input, shared by the feeders: each takes the next batch when it is free.
pub(super) struct Input<I> {
    state: Mutex<InputState<I>>,
}

struct InputState<I> {
    items: I,
    next: u64,
    /// Why no further batch is given out, once that is so.
    end: Option<Completion>,
}

impl<I: Iterator> Input<I> {
    pub(super) fn new(items: I) -> Self {
        Self { state: Mutex::new(InputState { items, next: 0, end: None }) }
    }

    /// The next batch as `take` cuts it; `None` at the end, when the budget is gone, or after [`Input::stop`].
    pub(super) fn batch<T>(
        &self,
        budget: &Budget,
        take: impl FnOnce(&mut I) -> Vec<T>,
    ) -> Option<Numbered<Vec<T>>> {
        let mut state = self.lock();
        if state.end.is_none() {
            state.end = budget.exhausted();
        }
        if state.end.is_some() {
            return None;
        }
        let value = take(&mut state.items);
        if value.is_empty() {
            state.end = Some(Completion::Complete);
            return None;
        }
        state.next += 1;
        Some(Numbered { number: state.next - 1, value })
    }

    /// Gives out no further batch: something failed.
    pub(super) fn stop(&self) {
        self.lock().end.get_or_insert(Completion::Complete);
    }

    /// Why the input ended.
    pub(super) fn completion(&self) -> Completion {
        self.lock().end.unwrap_or(Completion::Complete)
    }

    fn lock(&self) -> MutexGuard<'_, InputState<I>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Received values in the order of their numbers. A number that never comes holds back all after it, so that what
/// is stored is always a beginning of the input.
pub(super) fn in_order<T>(received: Receiver<Numbered<T>>) -> impl Iterator<Item = T> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    received.into_iter().flat_map(move |Numbered { number, value }| {
        early.insert(number, value);
        let mut ready = Vec::new();
        while let Some(value) = early.remove(&next) {
            ready.push(value);
            next += 1;
        }
        ready
    })
}

/// The model's turn: one batch at a time, and the time that it took.
///
/// The model takes all cores for a batch. Two batches in it at once would only fight for caches; measured, that costs
/// more than the cores' waiting for each other at the end of a batch.
#[derive(Default)]
pub(super) struct ModelTurn(Mutex<Duration>);

impl ModelTurn {
    pub(super) fn take<T>(&self, work: impl FnOnce() -> T) -> T {
        let mut total = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let start = Instant::now();
        let outcome = work();
        *total += start.elapsed();
        outcome
    }

    pub(super) fn total(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn values_come_out_in_order_and_a_gap_holds_back_the_rest() {
        let (sender, receiver) = channel();
        for number in [1, 0, 3, 2, 5] {
            sender.send(Numbered { number, value: number }).unwrap();
        }
        drop(sender);
        assert_eq!(in_order(receiver).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    #[test]
    fn a_stopped_input_gives_out_nothing_more() {
        let input = Input::new(0..10);
        let budget = Budget::unlimited();
        let pair = |items: &mut std::ops::Range<i32>| items.by_ref().take(2).collect();
        assert_eq!(
            input.batch(&budget, pair).map(|batch| (batch.number, batch.value)),
            Some((0, vec![0, 1]))
        );
        assert_eq!(input.batch(&budget, pair).map(|batch| batch.number), Some(1));
        input.stop();
        assert!(input.batch(&budget, pair).is_none());
    }
}
