//! The count of records and keys, which a large collection takes while it is in use already.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::writer::Writer;
use crate::Catalog;
use crate::catalog::census::Census;
use crate::generation::tree::AccessError;
use crate::ground::Ground;

#[derive(Debug)]
pub(super) struct Check {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    ended: Condvar,
    stop: AtomicBool,
}

#[derive(Debug)]
enum State {
    Running,
    /// It could not be taken, or was stopped.
    Failed,
    /// It was taken, and nobody has looked at it yet.
    Taken(Census),
    Sound,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // It is changed by single assignments.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, outcome: Result<Option<Census>, AccessError>) {
        *self.lock() = match outcome {
            Ok(Some(census)) => State::Taken(census),
            Ok(None) | Err(_) => State::Failed,
        };
        self.ended.notify_all();
    }
}

impl Check {
    /// A census that was taken already.
    pub(super) fn taken(census: Census) -> Self {
        let shared = Shared {
            state: Mutex::new(State::Taken(census)),
            ended: Condvar::new(),
            stop: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared), thread: Mutex::default() }
    }

    /// Begins to count. The tree may be used and written meanwhile.
    pub(super) fn begin(ground: Arc<Ground>, catalog: Arc<Catalog>) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::Running),
            ended: Condvar::new(),
            stop: AtomicBool::new(false),
        });
        let counting = Arc::clone(&shared);
        let counted = move || counting.end(Census::take(&ground, &catalog, &counting.stop));
        let thread = thread::Builder::new().name("lookalike-census".to_owned()).spawn(counted);
        if thread.is_err() {
            // Whoever waits counts for himself.
            *shared.lock() = State::Failed;
        }
        Self { shared, thread: Mutex::new(thread.ok()) }
    }

    /// Waits for the count, and says whether records and keys are what the catalog says.
    pub(super) fn wait(
        &self,
        ground: impl FnOnce() -> (Arc<Ground>, Arc<Catalog>),
        writer: &Mutex<Writer>,
    ) -> Result<(), AccessError> {
        let mut state = self.shared.lock();
        while matches!(*state, State::Running) {
            state = self.shared.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if matches!(*state, State::Failed) {
            // Counting again gives the reason anew, or was only kept from being done.
            let (ground, catalog) = ground();
            if let Some(census) = Census::take(&ground, &catalog, &AtomicBool::new(false))? {
                *state = State::Taken(census);
            }
        }
        if let State::Taken(census) = &mut *state {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(damage) = census.damage(writer.tip.live()) {
                return Err(damage.into());
            }
            let leftovers = std::mem::take(&mut census.leftovers);
            if !leftovers.is_empty() {
                writer.doomed.entry(0).or_default().extend(leftovers);
            }
            *state = State::Sound;
        }
        Ok(())
    }

    /// Stops counting and waits until the tree is let go of.
    pub(super) fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("counting records and keys ended with a panic");
        }
    }
}
