//! The only bridge between asynchronous requests and the blocking engine: a bounded queue and a few threads.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use lookalike_engine::plugin_api::CancelFlag;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

type Job = Box<dyn FnOnce() + Send>;

/// Why the lane gives no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum LaneError {
    /// All places are taken.
    #[error("the server is busy: {places} requests are in hand or waiting; try again later")]
    Overloaded {
        /// Requests that are taken in at the same time.
        places: usize,
    },
    /// The work panicked.
    #[error("the work on the request failed unexpectedly; the server's log says more")]
    Panicked,
    /// The server is stopping.
    #[error("the server is stopping; try again when it is back")]
    Stopped,
}

/// Worker threads behind a bounded queue; clones share them.
///
/// A place is taken before anything is queued, and given back when the work is done, not when its request is: work
/// whose client is gone still occupies a thread until it notices.
#[derive(Clone)]
pub(crate) struct Lane {
    /// Never full: who holds no permit queues nothing. The workers end when the last sender is gone.
    jobs: Sender<Job>,
    /// One permit for each worker and each place in the queue.
    permits: Arc<Semaphore>,
    /// Number of permits there are in all.
    places: usize,
    /// True once requests must not wait any longer for their work.
    stop: Arc<watch::Sender<bool>>,
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("places", &self.places).finish_non_exhaustive()
    }
}

/// Asks the work to stop when the one who waits for it goes away.
struct CancelOnDrop(CancelFlag);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Lane {
    /// A lane with so many threads and so many places for work that waits.
    ///
    /// # Errors
    ///
    /// The operating system's answer when it gives no thread.
    pub(crate) fn new(workers: usize, queue_length: usize) -> io::Result<Self> {
        let (jobs, receiver) = channel::<Job>();
        // One worker at a time waits for a job while it holds the lock; the others wait for the lock.
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..workers {
            let receiver = Arc::clone(&receiver);
            thread::Builder::new().name(format!("lane-{number}")).spawn(move || work_off(&receiver))?;
        }
        let places = workers + queue_length;
        Ok(Self {
            jobs,
            permits: Arc::new(Semaphore::new(places)),
            places,
            stop: Arc::new(watch::Sender::new(false)),
        })
    }

    /// Does blocking work on a thread of the lane. Dropping the future sets `cancel`, and work that has not begun by
    /// then never begins.
    ///
    /// # Errors
    ///
    /// [`LaneError`]; [`LaneError::Overloaded`] at once when no place is free.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        cancel: CancelFlag,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LaneError> {
        let permit = Arc::clone(&self.permits)
            .try_acquire_owned()
            .map_err(|_| LaneError::Overloaded { places: self.places })?;
        self.run_in_place(permit, cancel, work).await
    }

    /// As [`Lane::run`], but waits for a place: for those who can hold back their client meanwhile, and whose number
    /// is bounded elsewhere.
    ///
    /// # Errors
    ///
    /// [`LaneError`], but never [`LaneError::Overloaded`].
    pub(crate) async fn run_in_turn<T: Send + 'static>(
        &self,
        cancel: CancelFlag,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LaneError> {
        let permit = tokio::select! {
            permit = Arc::clone(&self.permits).acquire_owned() => permit.map_err(|_| LaneError::Stopped)?,
            () = self.stopped() => return Err(LaneError::Stopped),
        };
        self.run_in_place(permit, cancel, work).await
    }

    async fn run_in_place<T: Send + 'static>(
        &self,
        permit: OwnedSemaphorePermit,
        cancel: CancelFlag,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LaneError> {
        if *self.stop.borrow() {
            return Err(LaneError::Stopped);
        }
        let _guard = CancelOnDrop(cancel.clone());
        let (sender, outcome) = oneshot::channel();
        let job = Box::new(move || {
            let done = if cancel.is_cancelled() {
                drop(work);
                Err(LaneError::Stopped)
            } else {
                // Nothing that the work shares is left half-changed: the engine's locks guard values that are
                // swapped as a whole.
                catch_unwind(AssertUnwindSafe(work)).map_err(|_| LaneError::Panicked)
            };
            // The place is free before the outcome is known, so that a client that waits for one answer before it
            // asks again is never turned away for its own request.
            drop(permit);
            // Nobody may be waiting any more.
            drop(sender.send(done));
        });
        self.jobs.send(job).map_err(|_| LaneError::Stopped)?;
        tokio::select! {
            outcome = outcome => outcome.unwrap_or(Err(LaneError::Stopped)),
            () = self.stopped() => Err(LaneError::Stopped),
        }
    }

    /// Ends all waiting for work, and cancels the work.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Returns when [`Lane::stop`] was called.
    pub(crate) async fn stopped(&self) {
        // An error says that the sender is gone, which it is not while `self` is borrowed.
        drop(self.stop.subscribe().wait_for(|stopped| *stopped).await);
    }

    /// Returns when no work is running or waiting.
    pub(crate) async fn idle(&self) {
        let all = u32::try_from(self.places).unwrap_or(u32::MAX);
        // An error says that the semaphore is closed, which nobody does.
        drop(self.permits.acquire_many(all).await);
    }

    /// Work that is running or waiting.
    pub(crate) fn in_hand(&self) -> usize {
        self.places - self.permits.available_permits()
    }
}

fn work_off(jobs: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is let go of before the job runs.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests;
