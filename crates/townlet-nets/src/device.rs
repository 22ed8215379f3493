//! The one place that names backends.
//!
//! Since Burn 0.22 a backend is not a type parameter but a property of a [`Device`], so everything above
//! this file is written once and runs on whichever backends were compiled in.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A tensor backend that Townlet knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// burn-flex, the CPU backend; the default.
    #[default]
    Flex,
    /// burn-ndarray, the CPU backend that flex succeeds.
    Ndarray,
    /// burn-wgpu: GPUs through Vulkan, Metal and DirectX 12.
    Wgpu,
}

/// Why a backend cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceError {
    /// There is no backend of this name.
    #[error("there is no backend '{name}'; expected one of flex, ndarray, wgpu")]
    Unknown {
        /// The name given.
        name: String,
    },
    /// The backend exists but is not in this build.
    #[error(
        "the {backend} backend is not in this build (compiled in: {}); build again with --features {backend}",
        compiled_names()
    )]
    NotCompiled {
        /// The backend.
        backend: Backend,
    },
    /// The backend found no hardware to run on.
    #[error(
        "the {backend} backend found no adapter to run on: {reason}; install a Vulkan driver \
         (on Debian and Ubuntu: mesa-vulkan-drivers) or choose another backend"
    )]
    NoAdapter {
        /// The backend.
        backend: Backend,
        /// What the driver interface said.
        reason: String,
    },
}

fn compiled_names() -> String {
    Backend::compiled().map(|backend| backend.to_string()).collect::<Vec<_>>().join(", ")
}

impl Backend {
    /// Every backend, compiled in or not.
    pub const ALL: [Self; 3] = [Self::Flex, Self::Ndarray, Self::Wgpu];

    /// The backends in this build.
    pub fn compiled() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|backend| backend.is_compiled())
    }

    /// Whether this backend is in this build: whether the Cargo feature of its name was enabled.
    pub const fn is_compiled(self) -> bool {
        match self {
            Self::Flex => cfg!(feature = "flex"),
            Self::Ndarray => cfg!(feature = "ndarray"),
            Self::Wgpu => cfg!(feature = "wgpu"),
        }
    }

    /// Whether tensors live in the host's memory and are computed by its processor.
    pub const fn is_cpu(self) -> bool {
        matches!(self, Self::Flex | Self::Ndarray)
    }

    /// The backend's default device, without autodiff.
    ///
    /// # Errors
    ///
    /// Where the backend is not in this build, or finds no hardware. It never panics later for either.
    pub fn device(self) -> Result<Device, DeviceError> {
        match self {
            #[cfg(feature = "flex")]
            Self::Flex => Ok(Device::flex()),
            #[cfg(feature = "ndarray")]
            // Deprecated by Burn in favour of flex; offered for those who depend on it.
            #[allow(deprecated)]
            Self::Ndarray => Ok(Device::ndarray()),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => wgpu_device(),
            #[allow(unreachable_patterns)]
            backend => Err(DeviceError::NotCompiled { backend }),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Wgpu => "wgpu",
        })
    }
}

impl FromStr for Backend {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|backend| backend.to_string() == name)
            .ok_or_else(|| DeviceError::Unknown { name: name.to_owned() })
    }
}

/// What the CPU backends compute with on this machine, such as `AVX2`. Sums come out differently in their last digits
/// with another one.
pub fn instruction_set() -> &'static str {
    townlet_kernels::instruction_set().0
}

/// Runs `work` on a thread of the pool where the kernels compute on the host, and right here elsewhere.
///
/// Whoever hands work to a pool from outside wakes a thread and waits for it, every time; inside, the parts of
/// the work are taken by whoever is awake. An update hands out work ten times.
pub fn in_pool<R: Send>(device: &Device, work: impl FnOnce() -> R + Send) -> R {
    if is_host(device) { rayon::join(work, || ()).0 } else { work() }
}

/// Does two things at once where the kernels compute on the host, and one after the other elsewhere.
pub fn join<A: Send, B: Send>(
    device: &Device,
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B + Send,
) -> (A, B) {
    if is_host(device) { rayon::join(first, second) } else { (first(), second()) }
}

fn is_host(device: &Device) -> bool {
    let device = device.clone().inner();
    let mut host = Backend::compiled().filter(|backend| backend.is_cpu());
    host.any(|backend| backend.device().as_ref() == Ok(&device))
}

/// Opens the default wgpu device once per process.
///
/// Burn's own constructor is lazy and panics in a worker thread where there is no adapter; this one asks
/// first. A runtime can only be initialised once, hence the cell.
#[cfg(feature = "wgpu")]
fn wgpu_device() -> Result<Device, DeviceError> {
    static DEVICE: std::sync::OnceLock<Result<Device, DeviceError>> = std::sync::OnceLock::new();
    DEVICE
        .get_or_init(|| {
            Device::wgpu_options()
                .init()
                .map_err(|error| DeviceError::NoAdapter { backend: Backend::Wgpu, reason: error.to_string() })
        })
        .clone()
}

/// A piece of hardware, or a software driver that stands in for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// What the driver calls it.
    pub name: String,
    /// The graphics interface that reaches it: Vulkan, Metal, Dx12 or Gl.
    pub interface: String,
    /// What it is: a discrete or integrated GPU, or a CPU.
    pub kind: String,
    /// The driver and its version.
    pub driver: String,
}

impl Adapter {
    /// Whether the wgpu backend is held to its tests on this adapter: through Vulkan, Metal or DirectX 12.
    ///
    /// Through OpenGL it runs, but less precisely: under Mesa's software driver gradient norms differed from
    /// PyTorch's by 1e-4, through Vulkan on the same driver by less than 1e-5.
    pub fn is_supported(&self) -> bool {
        ["Vulkan", "Metal", "Dx12"].contains(&self.interface.as_str())
    }
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, interface, kind, driver } = self;
        write!(f, "{name} ({interface}, {kind}, {driver})")
    }
}

/// Every adapter that wgpu finds; none where the wgpu backend is not in this build.
pub fn adapters() -> Vec<Adapter> {
    #[cfg(feature = "wgpu")]
    {
        use burn::tensor::wgpu::wgpu;

        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
        found
            .iter()
            .map(|adapter| {
                let info = adapter.get_info();
                Adapter {
                    name: info.name,
                    interface: format!("{:?}", info.backend),
                    kind: format!("{:?}", info.device_type),
                    driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
                }
            })
            .collect()
    }
    #[cfg(not(feature = "wgpu"))]
    Vec::new()
}
