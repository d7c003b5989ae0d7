//! What the kinds of networks do to a weight: one file per kind.
//!
//! A kind reads its tensors once, checking their shapes against each other and against the target, and then answers
//! [`Update::update`]: the unscaled update U of a weight. Scale, DoRA and strength come after, the same for all kinds
//! (see [`NetworkModule`](super::NetworkModule)).

mod boft;
mod dora;
mod full;
mod glora;
mod ia3;
mod loha;
mod lokr;
#[expect(clippy::module_inception, reason = "the room and the kind have the same name")]
mod lora;
mod norm;
mod oft;
mod tensor;

use std::collections::BTreeMap;
use std::fmt;

use candle_core::{DType, Result, Tensor};

pub(super) use dora::Dora;
pub(super) use tensor::{product, slice_len};

/// A kind of network, as LyCORIS names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum Kind {
    #[serde(rename = "LoRA")]
    Lora,
    #[serde(rename = "LoCon")]
    Locon,
    #[serde(rename = "LoHa")]
    Loha,
    #[serde(rename = "LoKr")]
    Lokr,
    #[serde(rename = "IA3")]
    Ia3,
    Full,
    Norm,
    #[serde(rename = "GLoRA")]
    Glora,
    #[serde(rename = "OFT")]
    Oft,
    #[serde(rename = "BOFT")]
    Boft,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Lora => "LoRA",
            Kind::Locon => "LoCon",
            Kind::Loha => "LoHa",
            Kind::Lokr => "LoKr",
            Kind::Ia3 => "IA3",
            Kind::Full => "Full",
            Kind::Norm => "Norm",
            Kind::Glora => "GLoRA",
            Kind::Oft => "OFT",
            Kind::Boft => "BOFT",
        })
    }
}

/// The update of one weight.
pub(super) trait Update: fmt::Debug + Send + Sync {
    fn kind(&self) -> Kind;

    /// The number that `alpha` is divided by; without one `alpha` is not used as a scale.
    fn dim(&self) -> Option<usize>;

    /// U for the original weight `base` (f32, of the target's shape), with the tensor that the LBW extension scales
    /// multiplied by `ratio`. The result has the target's number of elements.
    fn update(&self, base: &Tensor, ratio: f64) -> Result<Tensor>;

    /// Whether `update` is `ratio` times a fixed tensor.
    fn is_linear(&self) -> bool {
        true
    }

    /// Whether the extension raises on this module instead of scaling it.
    fn breaks_extension(&self) -> bool {
        false
    }

    /// The two factors, when U is `ratio × up @ down` and nothing else.
    fn factors(&self) -> Option<(&Tensor, &Tensor)> {
        None
    }

    /// The update with its rank cut to `up[:, :dim]`, `down[:dim]`, for kinds that webui's `dyn` argument cuts.
    fn cut(&self, _dim: i64) -> Result<Option<Box<dyn Update>>> {
        Ok(None)
    }
}

/// Why a module's tensors make no update of its target.
#[derive(Debug)]
pub(super) enum Misfit {
    /// Tensors that do not fit each other.
    Pair(String),
    /// Tensors that make an update of another shape, flattened to (rows, columns), than the target has.
    Target {
        rows: usize,
        columns: usize,
    },
    /// The kind does not work on this layer.
    Layer(&'static str),
    Tensor(candle_core::Error),
}

impl From<candle_core::Error> for Misfit {
    fn from(error: candle_core::Error) -> Self {
        Misfit::Tensor(error)
    }
}

type Read = std::result::Result<Box<dyn Update>, Misfit>;

/// The tensors of one module by part name (`lora_up.weight`, `alpha`, …), in the file's dtype.
#[derive(Debug, Default)]
pub(super) struct Parts(pub BTreeMap<String, Tensor>);

impl Parts {
    pub fn get(&self, part: &str) -> Option<&Tensor> {
        self.0.get(part)
    }

    fn has(&self, parts: &[&str]) -> bool {
        parts.iter().all(|part| self.0.contains_key(*part))
    }

    /// `part` with its dimensions after the first flattened: (rows, columns).
    fn matrix(&self, part: &str) -> std::result::Result<Tensor, Misfit> {
        let tensor = self.get(part).ok_or_else(|| Misfit::Pair(format!("`{part}` is missing")))?;
        Ok(tensor::as_matrix(tensor)?)
    }

    /// The one number in `part`.
    pub fn scalar(&self, part: &str) -> std::result::Result<Option<f64>, Misfit> {
        let Some(tensor) = self.get(part) else { return Ok(None) };
        if tensor.elem_count() != 1 {
            return Err(Misfit::Pair(format!("`{part}` is {:?} and should be one number", tensor.dims())));
        }
        Ok(Some(tensor.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?[0]))
    }
}

/// The update that `parts` make of a weight of shape `target`, by the first kind that knows these parts, in webui's order.
/// `None` when no kind does.
pub(super) fn read(parts: &Parts, target: &[usize]) -> Option<Read> {
    if parts.has(&["lora_up.weight", "lora_down.weight"]) {
        Some(lora::read(parts, target))
    } else if parts.has(&["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"]) {
        Some(loha::read(parts, target))
    } else if parts.has(&["weight"]) {
        Some(ia3::read(parts, target))
    } else if lokr::is_lokr(parts) {
        Some(lokr::read(parts, target))
    } else if parts.has(&["diff"]) {
        Some(full::read(parts, target))
    } else if parts.has(&["w_norm", "b_norm"]) {
        Some(norm::read(parts, target))
    } else if parts.has(&["a1.weight", "a2.weight", "alpha", "b1.weight", "b2.weight"]) {
        Some(glora::read(parts, target))
    } else if parts.has(&["oft_diag"]) || parts.has(&["oft_blocks"]) {
        Some(oft::read(parts, target))
    } else {
        None
    }
}
