//! Kernels by name, and what they are given.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::{CudaFunction, DevicePtr, LaunchConfig, PushKernelArg};
use candle_core::{CudaDevice, DType, Result, Storage, Tensor};
use half::f16;

/// Kernels of one source, as the build compiled them: for the oldest card that is served, which the driver compiles on for the one that
/// is there.
struct Module {
    name: &'static str,
    ptx: &'static str,
}

/// `kernels.cu`
const KERNELS: Module = Module { name: "lbw", ptx: include_str!(concat!(env!("OUT_DIR"), "/kernels.ptx")) };
/// `attention.cu`
const ATTENTION: Module =
    Module { name: "lbw_attention", ptx: include_str!(concat!(env!("OUT_DIR"), "/attention.ptx")) };
/// The compute capability that `attention.cu` wants.
const TENSOR_CORES: i32 = 8;
/// Threads of a block, as `kernels.cu` has it where a block sums.
const THREADS: u32 = 128;
/// Threads of a block that sums a slab.
pub(super) const SLAB_THREADS: usize = 256;

/// What a kernel is given.
#[derive(Debug, Clone, Copy)]
pub(super) enum Argument {
    /// Of a tensor's first value; 0 where there is none.
    Address(u64),
    Count(usize),
    Int(usize),
    Float(f32),
}

impl Argument {
    /// The values of a contiguous tensor of this type. It must live until the kernel has been launched; memory that is given back
    /// after that is given back in the order of the stream.
    pub(super) fn of(t: &Tensor, dtype: DType) -> Result<Self> {
        let (storage, layout) = t.storage_and_layout();
        let (Storage::Cuda(there), true) = (&*storage, layout.is_contiguous() && t.dtype() == dtype) else {
            candle_core::bail!("{:?} of {:?} on {:?} is not what a kernel takes", t.shape(), t.dtype(), t.device());
        };
        let stream = there.device.cuda_stream();
        let first = match dtype {
            DType::F32 => there.as_cuda_slice::<f32>()?.device_ptr(&stream).0,
            DType::F16 => there.as_cuda_slice::<f16>()?.device_ptr(&stream).0,
            other => candle_core::bail!("no kernel takes {other:?}"),
        };
        Ok(Argument::Address(first + (layout.start_offset() * dtype.size_in_bytes()) as u64))
    }

    /// The same, or nothing.
    pub(super) fn maybe(t: Option<&Tensor>, dtype: DType) -> Result<Self> {
        t.map_or(Ok(Argument::Address(0)), |t| Argument::of(t, dtype))
    }

    pub(super) fn is_aligned(self, bytes: u64) -> bool {
        matches!(self, Argument::Address(address) if address.is_multiple_of(bytes))
    }
}

/// The kernels on one card, for one type of number.
pub(super) struct Kernels {
    card: CudaDevice,
    suffix: &'static str,
    /// Of the compute capability, the part before the point.
    generation: i32,
    /// Those that have been launched: small pictures wait for launches more than for the card.
    functions: Mutex<HashMap<String, CudaFunction>>,
}

impl Kernels {
    pub(super) fn new(card: &CudaDevice, suffix: &'static str) -> Self {
        // A card that does not say is taken for an old one.
        let generation = card.cuda_stream().context().compute_capability().map_or(0, |(generation, _)| generation);
        Kernels { card: card.clone(), suffix, generation, functions: Mutex::default() }
    }

    /// Whether the card has what `attention.cu` wants.
    pub(super) fn has_attention(&self) -> bool {
        self.generation >= TENSOR_CORES
    }

    /// A kernel of `attention.cu`, a block for each place of a grid.
    pub(super) fn attention(&self, name: &str, grid: (usize, usize), arguments: &[Argument]) -> Result<()> {
        self.launch(&ATTENTION, name, grid, THREADS, 0, arguments)
    }

    /// A thread for each of `count`. `{}` in a name stands for the type.
    pub(super) fn over(&self, name: &str, count: usize, arguments: &[Argument]) -> Result<()> {
        const BLOCK: u32 = 256;
        self.launch(&KERNELS, name, (count.div_ceil(BLOCK as usize), 1), BLOCK, 0, arguments)
    }

    /// A block for each of `count`.
    pub(super) fn rows(&self, name: &str, count: usize, arguments: &[Argument]) -> Result<()> {
        self.launch(&KERNELS, name, (count, 1), THREADS, 0, arguments)
    }

    /// A block for each place of a grid.
    pub(super) fn grid(&self, name: &str, grid: (usize, usize), arguments: &[Argument]) -> Result<()> {
        self.launch(&KERNELS, name, grid, THREADS, 0, arguments)
    }

    /// A large block for each place of a grid, with so many bytes of shared memory.
    pub(super) fn slabs(&self, name: &str, grid: (usize, usize), shared: usize, arguments: &[Argument]) -> Result<()> {
        self.launch(&KERNELS, name, grid, SLAB_THREADS as u32, shared, arguments)
    }

    fn function(&self, module: &Module, name: &str) -> Result<CudaFunction> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = functions.get(name) {
            return Ok(function.clone());
        }
        let of_type = name.replace("{}", self.suffix);
        let function = self.card.get_or_load_custom_func(&of_type, module.name, module.ptx)?.into_cuda_function();
        functions.insert(name.to_owned(), function.clone());
        Ok(function)
    }

    fn launch(
        &self,
        module: &Module,
        name: &str,
        grid: (usize, usize),
        block: u32,
        shared: usize,
        arguments: &[Argument],
    ) -> Result<()> {
        if grid.0 == 0 || grid.1 == 0 {
            return Ok(());
        }
        let size = |of: usize| u32::try_from(of).map_err(candle_core::Error::wrap);
        let function = self.function(module, name)?;
        // Kept as the kernel's parameters have them, until it has been launched.
        let numbers: Vec<(u64, i32, f32)> = arguments
            .iter()
            .map(|argument| match *argument {
                Argument::Address(address) => Ok((address, 0, 0.0)),
                Argument::Count(count) => Ok((count as u64, 0, 0.0)),
                Argument::Int(number) => Ok((0, i32::try_from(number).map_err(candle_core::Error::wrap)?, 0.0)),
                Argument::Float(number) => Ok((0, 0, number)),
            })
            .collect::<Result<_>>()?;
        let stream = self.card.cuda_stream();
        let mut builder = stream.launch_builder(&function);
        for (argument, (address, int, float)) in arguments.iter().zip(&numbers) {
            match argument {
                Argument::Address(_) | Argument::Count(_) => builder.arg(address),
                Argument::Int(_) => builder.arg(int),
                Argument::Float(_) => builder.arg(float),
            };
        }
        let config = LaunchConfig {
            grid_dim: (size(grid.0)?, size(grid.1)?, 1),
            block_dim: (block, 1, 1),
            shared_mem_bytes: size(shared)?,
        };
        // SAFETY: the arguments are those of the kernel in its source, in its order; each caller has checked that its tensors have the
        // shapes that it tells the kernel, and the kernel stays within them.
        unsafe { builder.launch(config) }.w()?;
        Ok(())
    }
}
