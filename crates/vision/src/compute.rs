use std::fmt;
use std::num::NonZero;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use burn::tensor::{FloatDType, Tensor};

/// Images in one forward pass unless [`ComputeConfig::chunk`] says otherwise.
pub const DEFAULT_CHUNK: usize = 32;

/// Images in one chunk of a pass forth and back on the processor, at most: a batch of sixteen then keeps two cores
/// busy, and larger chunks win less than a tenth.
const GRADIENT_CHUNK: usize = 8;

/// Where a network runs. It is always chosen, never guessed, and never replaced by another one.
///
/// # Builds
///
/// The default build has `flex`, needs no system library, and is the same everywhere. The cargo feature `tch` adds
/// libtorch, 2.9.0 exactly, which is found when it is built:
///
/// * *For the processor*: `crates/vision/libtorch/prepare.sh` makes a folder of 480 MB out of the wheel on `PyPI` and
///   prints the lines to export, `LIBTORCH` for building and `LD_LIBRARY_PATH` for running. Then, for instance,
///   `cargo build --release -p lookalike-cli --features tch`.
/// * *With an installed `PyTorch`*: `LIBTORCH_USE_PYTORCH=1` takes the one that `python3` imports; `LD_LIBRARY_PATH`
///   must have its folder `torch/lib`.
/// * *For CUDA*: the same with a libtorch or a `PyTorch` that has CUDA, and
///   `RUSTFLAGS="-C link-arg=-Wl,--no-as-needed -C link-arg=-ltorch_cuda"`: nothing calls `libtorch_cuda.so` by name, and
///   a linker that drops it leaves a program that finds no CUDA device.
///
/// Without `LIBTORCH` and `LIBTORCH_USE_PYTORCH`, building with the feature downloads libtorch from its makers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Device {
    /// The processor, in pure Rust. Written `flex`, and read from `cpu` too.
    #[default]
    Cpu,
    /// The processor, by libtorch. Written `libtorch`.
    Libtorch,
    /// A CUDA device, by libtorch, counted from 0. Written `cuda:0`, and the first is read from `cuda` too.
    Cuda(usize),
}

impl Device {
    /// What this build can run on where the hardware is there, as [`Device::from_str`] reads it.
    pub fn compiled_in() -> &'static [&'static str] {
        match (cfg!(feature = "cpu"), cfg!(feature = "tch")) {
            (true, true) => &["flex", "libtorch", "cuda:N"],
            (true, false) => &["flex"],
            (false, true) => &["libtorch", "cuda:N"],
            (false, false) => &[],
        }
    }

    /// The devices that are there: compiled in, and with their hardware found.
    pub fn found() -> Vec<Self> {
        let mut devices = Vec::new();
        if cfg!(feature = "cpu") {
            devices.push(Self::Cpu);
        }
        if cfg!(feature = "tch") {
            devices.push(Self::Libtorch);
        }
        devices.extend((0..cuda_devices()).map(Self::Cuda));
        devices
    }
}

/// Number of CUDA devices that libtorch finds; 0 for a libtorch without CUDA, and without libtorch.
fn cuda_devices() -> usize {
    #[cfg(feature = "tch")]
    let count = burn::tensor::Device::enumerate(burn::tensor::DeviceType::LibTorch).into_vec().len();
    #[cfg(not(feature = "tch"))]
    let count = 0;
    count
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("flex"),
            Self::Libtorch => f.write_str("libtorch"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        match text {
            "flex" | "cpu" => Ok(Self::Cpu),
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
    #[error("\"{found}\" is no device; use \"flex\", \"libtorch\" or \"cuda:N\"")]
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
    /// The hardware or its driver is missing, or libtorch was built without CUDA.
    #[error("device \"{device}\" is not there, found: {}", list(found))]
    NotThere {
        /// The device asked for.
        device: Device,
        /// Those that can be used.
        found: Vec<Device>,
    },
    /// The device has no arithmetic of this precision.
    #[error(
        "device \"{device}\" has no precision {precision}; use f32, or device \"libtorch\" or \"cuda:N\""
    )]
    Precision {
        /// The device asked for.
        device: Device,
        /// The precision asked for.
        precision: Precision,
    },
}

fn list(devices: &[Device]) -> String {
    devices.iter().map(Device::to_string).collect::<Vec<_>>().join(", ")
}

/// How exactly features and logits are computed. Gradients, and models with a tuned layer, are always in `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    /// 24 significant bits.
    #[default]
    F32,
    /// 8 significant bits for activations and weights, sums of products in `f32`, features given out as `f32`: faster
    /// on hardware that is made for it, with half the memory for activations. Features differ from those in `f32` by
    /// about a hundredth of the largest; of the ten nearest digits by cosine, among 256 and with a ResNet-18, 99.5 %
    /// stay the same.
    Bf16,
}

impl Precision {
    /// The tensor in this precision.
    pub(crate) fn of<const D: usize>(self, tensor: Tensor<D>) -> Tensor<D> {
        match self {
            Self::F32 => tensor,
            Self::Bf16 => tensor.cast(FloatDType::BF16),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        })
    }
}

/// How a model computes. Without [`Precision::Bf16`] it changes the speed, and nothing else beyond the last bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComputeConfig {
    /// Where the network runs.
    pub device: Device,
    /// Threads that share the chunks of a batch; 0 takes all cores. Libtorch has its own threads.
    pub threads: usize,
    /// Images in one forward pass, at least 1. See [`DEFAULT_CHUNK`].
    pub chunk: usize,
    /// How exactly features are computed.
    pub precision: Precision,
}

impl Default for ComputeConfig {
    fn default() -> Self {
        Self { device: Device::default(), threads: 0, chunk: DEFAULT_CHUNK, precision: Precision::default() }
    }
}

impl ComputeConfig {
    /// The tensor library's device, which has the precision.
    pub(crate) fn open(&self) -> Result<burn::tensor::Device, DeviceError> {
        let device = self.device.open()?;
        match (self.device, self.precision) {
            (Device::Cpu, Precision::Bf16) => {
                Err(DeviceError::Precision { device: self.device, precision: self.precision })
            }
            (Device::Cpu, Precision::F32) | (Device::Libtorch | Device::Cuda(_), _) => Ok(device),
        }
    }
}

impl Device {
    /// The tensor library's device. It is asked for only when it is there: the library panics over one that is not.
    pub(crate) fn open(self) -> Result<burn::tensor::Device, DeviceError> {
        match self {
            #[cfg(feature = "cpu")]
            Self::Cpu => Ok(burn::tensor::Device::flex()),
            #[cfg(feature = "tch")]
            #[expect(deprecated, reason = "the only accelerated backend that builds without downloads")]
            Self::Libtorch => Ok(burn::tensor::Device::libtorch()),
            #[cfg(feature = "tch")]
            Self::Cuda(index) if index >= cuda_devices() => {
                Err(DeviceError::NotThere { device: self, found: Self::found() })
            }
            #[cfg(feature = "tch")]
            #[expect(deprecated, reason = "the only accelerated backend that builds without downloads")]
            Self::Cuda(index) => Ok(burn::tensor::Device::libtorch_cuda(index)),
            #[cfg(not(all(feature = "cpu", feature = "tch")))]
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

/// How a model computes on each device that is there; says which are not.
#[cfg(test)]
pub(crate) fn on_every_device() -> Vec<ComputeConfig> {
    let found = Device::found();
    for device in [Device::Cpu, Device::Libtorch, Device::Cuda(0)] {
        if let Err(error) = device.open() {
            eprintln!("skipped: {error}");
        }
    }
    found.into_iter().map(|device| ComputeConfig { device, ..ComputeConfig::default() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_they_are_written() {
        for device in [Device::Cpu, Device::Libtorch, Device::Cuda(3)] {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        assert_eq!(("flex".parse(), "cpu".parse()), (Ok(Device::Cpu), Ok(Device::Cpu)));
        let error = "gpu".parse::<Device>().unwrap_err();
        assert_eq!(error.to_string(), "\"gpu\" is no device; use \"flex\", \"libtorch\" or \"cuda:N\"");
    }

    #[cfg(all(feature = "cpu", not(feature = "tch")))]
    #[test]
    fn a_device_that_is_not_compiled_in_is_refused_with_what_is() {
        let error = Device::Cuda(1).open().unwrap_err();
        assert_eq!(error.to_string(), "device \"cuda:1\" is not compiled in, this build has: flex");
    }

    #[cfg(feature = "tch")]
    #[test]
    fn a_device_whose_hardware_is_missing_is_refused_with_what_is_there() {
        let absent = Device::Cuda(cuda_devices());
        let error = absent.open().unwrap_err();
        assert_eq!(error, DeviceError::NotThere { device: absent, found: Device::found() });
        assert!(error.to_string().contains("is not there, found: flex, libtorch"), "{error}");
    }

    #[cfg(feature = "cpu")]
    #[test]
    fn half_precision_is_refused_where_it_would_be_emulated() {
        let compute = ComputeConfig { precision: Precision::Bf16, ..ComputeConfig::default() };
        let error = compute.open().unwrap_err().to_string();
        assert!(error.starts_with("device \"flex\" has no precision bf16; use f32"), "{error}");
    }

    #[test]
    fn results_keep_the_order_of_the_tasks() {
        let chunks = Chunks { length: 3, gradient_length: 2, threads: 4 };
        let doubled = chunks.map((0..100).collect(), |task: i32| Ok::<_, ()>(2 * task)).unwrap();
        assert_eq!(doubled, (0..100).map(|task| 2 * task).collect::<Vec<_>>());
        assert_eq!(chunks.map(vec![1, 2, 3], |task| if task == 2 { Err(task) } else { Ok(()) }), Err(2));
    }
}
