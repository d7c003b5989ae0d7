//! Which kernels run.

use std::sync::OnceLock;

use candle_core::Device;

use super::simd::Isa;
use crate::checkpoint::carried;
use crate::diagnostic::{Said, Text};
use crate::say;

/// The environment variable that forces a path: `avx512`, `avx2`, `portable`, or `candle` for candle's operators.
pub const VARIABLE: &str = "LBW_KERNELS";

/// Why the kernels that were asked for do not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum KernelError {
    Unknown { asked: String },
    Unavailable { asked: String },
}

impl Said for KernelError {
    fn said(&self) -> Text {
        match self {
            KernelError::Unknown { asked } => {
                let names = names(|_| true);
                say!(
                    "{VARIABLE}={asked} is not known; use {names} or candle, or leave it unset for the fastest",
                    "{VARIABLE}={asked} は知りません。{names}、candle のどれかにするか、設定しなければ最速のものになります"
                )
            }
            KernelError::Unavailable { asked } => {
                let names = names(Isa::is_available);
                say!(
                    "{VARIABLE}={asked}: this processor does not have these instructions; it can run {names} and candle",
                    "{VARIABLE}={asked}: このプロセッサーにはこの命令がありません。使えるのは {names}、candle です"
                )
            }
        }
    }
}

fn names(which: impl Fn(Isa) -> bool) -> String {
    Isa::ALL.iter().filter(|isa| which(**isa)).map(|isa| isa.name()).collect::<Vec<_>>().join(", ")
}

/// The path of this process, `None` for candle's operators: what [`VARIABLE`] says, or else the best that the processor has.
pub fn choice() -> Result<Option<Isa>, KernelError> {
    static CHOICE: OnceLock<Result<Option<Isa>, KernelError>> = OnceLock::new();
    CHOICE.get_or_init(|| choose(std::env::var(VARIABLE).ok().as_deref())).clone()
}

/// The path for tensors on `device`: all but the CPU use candle's operators.
pub(in crate::model) fn choice_for(device: &Device) -> candle_core::Result<Option<Isa>> {
    if device.is_cpu() { choice().map_err(carried) } else { Ok(None) }
}

fn choose(asked: Option<&str>) -> Result<Option<Isa>, KernelError> {
    let Some(name) = asked.filter(|name| !name.is_empty()) else {
        // Without optimisation every instruction is a function call: candle's operators, which are compiled on their own,
        // are then much faster.
        let best = Isa::ALL.iter().copied().rfind(|isa| isa.is_available());
        return Ok(best.filter(|_| !cfg!(unoptimised)));
    };
    if name == "candle" {
        return Ok(None);
    }
    let isa = Isa::ALL.iter().copied().find(|isa| isa.name() == name);
    let isa = isa.ok_or_else(|| KernelError::Unknown { asked: name.to_owned() })?;
    if isa.is_available() { Ok(Some(isa)) } else { Err(KernelError::Unavailable { asked: name.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_chosen_by_its_name() {
        assert_eq!(choose(Some("candle")), Ok(None));
        assert_eq!(choose(Some("portable")), Ok(Some(Isa::Portable)));
        assert_eq!(choose(Some("")), choose(None));
        for isa in Isa::ALL {
            let chosen = choose(Some(isa.name()));
            match isa.is_available() {
                true => assert_eq!(chosen, Ok(Some(*isa))),
                false => assert_eq!(chosen, Err(KernelError::Unavailable { asked: isa.name().to_owned() })),
            }
        }
        let error = choose(Some("sse9")).unwrap_err().to_string();
        assert!(error.starts_with("LBW_KERNELS=sse9 is not known; use portable"), "{error}");
    }
}
