use std::fmt;
use std::num::NonZero;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Images in one forward pass unless [`ComputeConfig::chunk`] says otherwise.
pub const DEFAULT_CHUNK: usize = 32;

/// Images in one chunk of a pass forth and back on the processor, at most: a batch of sixteen then keeps two cores
/// busy, and larger chunks win less than a tenth.
const GRADIENT_CHUNK: usize = 8;

/// Where a network runs. It is always chosen, never guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Device {
    /// The processor, in pure Rust. Written `cpu` or `flex`.
    #[default]
    Cpu,
    /// The processor, by libtorch. Written `libtorch`.
    Libtorch,
    /// A CUDA device, by libtorch, counted from 0. Written `cuda` or `cuda:0`.
    Cuda(usize),
}

impl Device {
    /// What this build can run on, as [`Device::from_str`] reads it.
    pub fn compiled_in() -> &'static [&'static str] {
        match (cfg!(feature = "cpu"), cfg!(feature = "libtorch")) {
            (true, true) => &["cpu", "libtorch", "cuda:N"],
            (true, false) => &["cpu"],
            (false, true) => &["libtorch", "cuda:N"],
            (false, false) => &[],
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Libtorch => f.write_str("libtorch"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        match text {
            "cpu" | "flex" => Ok(Self::Cpu),
            "libtorch" => Ok(Self::Libtorch),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| DeviceError::Unknown { found: text.to_owned() }),
        }
    }
}

/// Why a device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The word names no device.
    #[error("\"{found}\" is no device; use \"cpu\", \"libtorch\" or \"cuda:N\"")]
    Unknown {
        /// The word.
        found: String,
    },
    /// The build lacks the backend.
    #[error("device \"{device}\" is not compiled in, this build has: {}", Device::compiled_in().join(", "))]
    NotCompiledIn {
        /// The device asked for.
        device: Device,
    },
}

/// How a model computes. It changes the speed, and nothing else beyond the last bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComputeConfig {
    /// Where the network runs.
    pub device: Device,
    /// Threads that share the chunks of a batch; 0 takes all cores.
    pub threads: usize,
    /// Images in one forward pass, at least 1. See [`DEFAULT_CHUNK`].
    pub chunk: usize,
}

impl Default for ComputeConfig {
    fn default() -> Self {
        Self { device: Device::default(), threads: 0, chunk: DEFAULT_CHUNK }
    }
}

impl Device {
    /// The tensor library's device.
    pub(crate) fn open(self) -> Result<burn::tensor::Device, DeviceError> {
        match self {
            #[cfg(feature = "cpu")]
            Self::Cpu => Ok(burn::tensor::Device::flex()),
            #[cfg(feature = "libtorch")]
            #[expect(deprecated, reason = "the only accelerated backend that builds without downloads")]
            Self::Libtorch => Ok(burn::tensor::Device::libtorch()),
            #[cfg(feature = "libtorch")]
            #[expect(deprecated, reason = "the only accelerated backend that builds without downloads")]
            Self::Cuda(index) => Ok(burn::tensor::Device::libtorch_cuda(index)),
            #[cfg(not(all(feature = "cpu", feature = "libtorch")))]
            missing => Err(DeviceError::NotCompiledIn { device: missing }),
        }
    }

    /// Whether one operation already uses all cores, so that chunks had better go one after the other.
    fn is_parallel_inside(self) -> bool {
        match self {
            Self::Cpu => false,
            Self::Libtorch | Self::Cuda(_) => true,
        }
    }
}

/// Cuts batches into chunks and spreads them over threads.
///
/// The cuts depend on the batch alone, and each chunk is computed by one thread: the number of threads cannot
/// change a result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunks {
    length: usize,
    gradient_length: usize,
    threads: usize,
}

impl Chunks {
    /// Chunks as `config` wants them, but of at most `most` images.
    pub(crate) fn new(config: &ComputeConfig, most: usize) -> Self {
        let cores = || thread::available_parallelism().map_or(1, NonZero::get);
        let threads = match config.threads {
            _ if config.device.is_parallel_inside() => 1,
            0 => cores(),
            threads => threads,
        };
        let length = config.chunk.min(most).max(1);
        let gradient_length =
            if config.device.is_parallel_inside() { length } else { length.min(GRADIENT_CHUNK) };
        Self { length, gradient_length, threads }
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// The same with chunks of at most `most`.
    pub(crate) fn at_most(self, most: usize) -> Self {
        Self { length: self.length.min(most).max(1), ..self }
    }

    /// `batch` in chunks.
    pub(crate) fn of<'a, T>(&self, batch: &'a [T]) -> Vec<&'a [T]> {
        batch.chunks(self.length).collect()
    }

    /// `batch` in chunks for a pass forth and back.
    pub(crate) fn for_gradients<'a, T>(&self, batch: &'a [T]) -> Vec<&'a [T]> {
        batch.chunks(self.gradient_length).collect()
    }

    /// `work` on every task, the results in the order of the tasks.
    pub(crate) fn map<T: Send, R: Send, E: Send>(
        &self,
        tasks: Vec<T>,
        work: impl Fn(T) -> Result<R, E> + Sync,
    ) -> Result<Vec<R>, E> {
        let threads = self.threads.min(tasks.len());
        if threads <= 1 {
            return tasks.into_iter().map(work).collect();
        }
        let tasks: Vec<Mutex<Option<T>>> = tasks.into_iter().map(|task| Mutex::new(Some(task))).collect();
        let results: Vec<Mutex<Option<Result<R, E>>>> = tasks.iter().map(|_| Mutex::new(None)).collect();
        let next = AtomicUsize::new(0);
        let worker = || {
            while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&n| n < tasks.len()) {
                let task = tasks[number].lock().unwrap_or_else(PoisonError::into_inner).take();
                let result = task.map(&work);
                *results[number].lock().unwrap_or_else(PoisonError::into_inner) = result;
            }
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(worker);
            }
            worker();
        });
        results
            .into_iter()
            .filter_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_they_are_written() {
        for device in [Device::Cpu, Device::Libtorch, Device::Cuda(3)] {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        assert_eq!("flex".parse(), Ok(Device::Cpu));
        let error = "gpu".parse::<Device>().unwrap_err();
        assert_eq!(error.to_string(), "\"gpu\" is no device; use \"cpu\", \"libtorch\" or \"cuda:N\"");
    }

    #[cfg(all(feature = "cpu", not(feature = "libtorch")))]
    #[test]
    fn a_device_that_is_not_compiled_in_is_refused_with_what_is() {
        let error = Device::Cuda(1).open().unwrap_err();
        assert_eq!(error.to_string(), "device \"cuda:1\" is not compiled in, this build has: cpu");
    }

    #[test]
    fn results_keep_the_order_of_the_tasks() {
        let chunks = Chunks { length: 3, gradient_length: 2, threads: 4 };
        let doubled = chunks.map((0..100).collect(), |task: i32| Ok::<_, ()>(2 * task)).unwrap();
        assert_eq!(doubled, (0..100).map(|task| 2 * task).collect::<Vec<_>>());
        assert_eq!(chunks.map(vec![1, 2, 3], |task| if task == 2 { Err(task) } else { Ok(()) }), Err(2));
    }
}
