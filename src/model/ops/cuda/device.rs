//! Opening a card.

use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::{result, sys};
use candle_core::{Device, Result};

use super::super::CardError;

/// The driver's library.
const DRIVER: &str = "libcuda.so";
/// Others of NVIDIA's that are needed.
const LIBRARIES: [&str; 2] = ["libcublas.so", "libcurand.so"];
/// Endings under which systems have them.
const ENDINGS: [&str; 5] = ["", ".1", ".13", ".12", ".10"];

/// The card of this number.
///
/// All threads enqueue their work in one stream, so that it is done in the order in which it was asked for, and what frees memory comes
/// after what uses it.
pub fn open(number: usize) -> std::result::Result<Device, CardError> {
    // What asks for them later would panic.
    if cfg!(target_os = "linux") {
        if !is_there(DRIVER) {
            return Err(CardError::NoDriver);
        }
        if let Some(name) = LIBRARIES.into_iter().find(|name| !is_there(name)) {
            return Err(CardError::NoLibrary { name });
        }
    }
    let device = Device::new_cuda_with_stream(number)?;
    if let Device::Cuda(card) = &device {
        // SAFETY: there is one stream, which orders all uses of all memory.
        unsafe { card.disable_event_tracking() };
        keep_memory(number)?;
    }
    Ok(device)
}

fn is_there(library: &str) -> bool {
    // SAFETY: what is loaded is NVIDIA's own library, whose initialisers run as they do in every program that is linked with it.
    ENDINGS.iter().any(|ending| unsafe { libloading::Library::new(format!("{library}{ending}")) }.is_ok())
}

/// Memory that was freed stays with the program: giving it back to the driver at each step, as is its habit, costs more than the step's
/// small kernels.
fn keep_memory(number: usize) -> Result<()> {
    let mut all = u64::MAX;
    let card = result::device::get(i32::try_from(number).map_err(candle_core::Error::wrap)?).w()?;
    let mut pool = std::ptr::null_mut();
    // SAFETY: both calls are given places that live as long as they run, of the types that they write and read: a pool, and 64 bits for
    // the threshold.
    unsafe {
        sys::cuDeviceGetDefaultMemPool(&mut pool, card).result().w()?;
        let threshold = sys::CUmemPool_attribute_enum::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        sys::cuMemPoolSetAttribute(pool, threshold, (&raw mut all).cast()).result().w()
    }
}
