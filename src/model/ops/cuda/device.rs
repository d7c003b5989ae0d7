//! Opening a card.

use std::path::PathBuf;

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
        if let Some(name) = LIBRARIES.into_iter().find(|name| !is_there(name) && !is_beside(name)) {
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

/// The same of PyPI's libraries where pip put them with this program: `…/bin/lbw` has them under `…/lib/python3.*/site-packages/nvidia`.
/// Once loaded, they are found by their names.
fn is_beside(library: &str) -> bool {
    let folders = |under: PathBuf| std::fs::read_dir(under).into_iter().flatten().flatten().map(|entry| entry.path());
    let Some(root) = std::fs::read_link("/proc/self/exe").ok().and_then(|exe| Some(exe.parent()?.parent()?.to_owned()))
    else {
        return false;
    };
    let packages = folders(root.join("lib")).flat_map(|python| folders(python.join("site-packages/nvidia")));
    let files = packages.flat_map(|package| ENDINGS.map(|ending| package.join(format!("lib/{library}{ending}"))));
    // SAFETY: as above.
    let loaded = files.filter(|file| file.is_file()).find_map(|file| unsafe { libloading::Library::new(file) }.ok());
    // Never unloaded: its functions are called as long as the program runs.
    loaded.map(std::mem::forget).is_some()
}

/// Memory that was freed stays with the program: giving it back to the driver at each step, as is its habit, costs more than the
/// step's small kernels.
fn keep_memory(number: usize) -> Result<()> {
    let mut all = u64::MAX;
    let pool = pool(number)?;
    let threshold = sys::CUmemPool_attribute_enum::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the value is the 64 bits that this attribute has, and lives as long as the call runs.
    unsafe { sys::cuMemPoolSetAttribute(pool, threshold, (&raw mut all).cast()).result().w() }
}

/// The most bytes of the card of this number that were in use at once, and the most that were held for that.
pub fn peak(number: usize) -> Result<(u64, u64)> {
    let pool = pool(number)?;
    let read = |attribute| -> Result<u64> {
        let mut bytes: u64 = 0;
        // SAFETY: as above.
        unsafe { sys::cuMemPoolGetAttribute(pool, attribute, (&raw mut bytes).cast()).result().w()? };
        Ok(bytes)
    };
    use sys::CUmemPool_attribute_enum::{CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH, CU_MEMPOOL_ATTR_USED_MEM_HIGH};
    Ok((read(CU_MEMPOOL_ATTR_USED_MEM_HIGH)?, read(CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH)?))
}

/// Where a card's memory comes from.
fn pool(number: usize) -> Result<sys::CUmemoryPool> {
    let card = result::device::get(i32::try_from(number).map_err(candle_core::Error::wrap)?).w()?;
    let mut pool = std::ptr::null_mut();
    // SAFETY: the place for the pool lives as long as the call runs.
    unsafe { sys::cuDeviceGetDefaultMemPool(&mut pool, card).result().w()? };
    Ok(pool)
}
