//! Options of the UniPC sampler.

use serde::{Deserialize, Serialize};

/// webui's options `uni_pc_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UniPcOptions {
    pub variant: UniPcVariant,
    pub skip_type: UniPcSkipType,
    /// Highest order, 1 to 50.
    pub order: u32,
    /// Lower the order in the last steps.
    pub lower_order_final: bool,
}

impl Default for UniPcOptions {
    fn default() -> Self {
        UniPcOptions {
            variant: UniPcVariant::Bh1,
            skip_type: UniPcSkipType::TimeUniform,
            order: 3,
            lower_order_final: true,
        }
    }
}

/// The paper's B(h), or the form that varies its coefficients instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UniPcVariant {
    Bh1,
    Bh2,
    VaryCoeff,
}

/// How UniPC spreads its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UniPcSkipType {
    TimeUniform,
    TimeQuadratic,
    #[serde(rename = "logSNR")]
    LogSnr,
}
