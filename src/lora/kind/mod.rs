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
mod lora;
mod norm;
mod oft;
mod tensor;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use candle_core::{DType, Result, Tensor};

pub(super) use dora::Dora;
pub(super) use tensor::product;

use crate::diagnostic::Text;
use crate::say;

/// A kind of network, as LyCORIS names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum Kind {
    /// up · down on a linear layer.
    #[serde(rename = "LoRA")]
    Lora,
    /// up · down on a convolution, perhaps with a core between them.
    #[serde(rename = "LoCon")]
    Locon,
    /// The Hadamard product of two products.
    #[serde(rename = "LoHa")]
    Loha,
    /// The Kronecker product of two factors, each perhaps a product itself.
    #[serde(rename = "LoKr")]
    Lokr,
    /// The weight itself, every row or column times a number.
    #[serde(rename = "IA3")]
    Ia3,
    /// The difference itself.
    Full,
    /// Differences of a normalisation layer's weight and bias.
    Norm,
    /// W·a₂·a₁ + b₂·b₁ for the weight W.
    #[serde(rename = "GLoRA")]
    Glora,
    /// Orthogonal rotations of blocks of rows.
    #[serde(rename = "OFT")]
    Oft,
    /// Several such rotations, the rows permuted in between (butterfly).
    #[serde(rename = "BOFT")]
    Boft,
}

impl Kind {
    /// The first kind, in webui's order, that knows the parts a module `has`. A LoRA on a convolution is a LoCon.
    ///
    /// OFT and BOFT have the same parts; this says OFT.
    pub(super) fn of_parts(has: impl Fn(&str) -> bool, target: &[usize]) -> Option<Kind> {
        let all = |parts: &[&str]| parts.iter().all(|part| has(part));
        let whole_or_product = |whole, product: &[&str]| has(whole) || all(product);
        if all(&["lora_up.weight", "lora_down.weight"]) {
            Some(if target.len() == 4 { Kind::Locon } else { Kind::Lora })
        } else if all(&["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"]) {
            Some(Kind::Loha)
        } else if has("weight") {
            Some(Kind::Ia3)
        } else if whole_or_product("lokr_w1", &["lokr_w1_a", "lokr_w1_b"])
            && whole_or_product("lokr_w2", &["lokr_w2_a", "lokr_w2_b"])
        {
            Some(Kind::Lokr)
        } else if has("diff") {
            Some(Kind::Full)
        } else if all(&["w_norm", "b_norm"]) {
            Some(Kind::Norm)
        } else if all(&["a1.weight", "a2.weight", "alpha", "b1.weight", "b2.weight"]) {
            Some(Kind::Glora)
        } else if has("oft_blocks") || has("oft_diag") {
            Some(Kind::Oft)
        } else {
            None
        }
    }

    /// [`Kind::of_parts`], and what is meant by parts that webui knows together only: a weight of a norm, or a bias, alone.
    pub(super) fn as_meant(has: impl Fn(&str) -> bool, target: &[usize]) -> Option<Kind> {
        let alone = || match target.len() {
            1 if has("w_norm") || has("b_norm") => Some(Kind::Norm),
            _ if has("diff_b") || has("b_norm") => Some(Kind::Full),
            _ => None,
        };
        Kind::of_parts(&has, target).or_else(alone)
    }

    /// The parts whose first dimension may be the rank, the one that counts first.
    pub(super) fn rank_parts(self) -> &'static [&'static str] {
        match self {
            Kind::Lora | Kind::Locon => &["lora_down.weight"],
            Kind::Loha => &["hada_w1_b"],
            Kind::Lokr => &["lokr_w2_b", "lokr_w1_b"],
            _ => &[],
        }
    }
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
    Pair(Text),
    /// Tensors that make an update of another shape, flattened to (rows, columns), than the target has.
    Target {
        rows: usize,
        columns: usize,
    },
    /// The kind does not work on this layer.
    Layer(Text),
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
pub(super) struct Parts {
    tensors: BTreeMap<String, Tensor>,
    /// Those that were asked for: what no kind asks for has no effect.
    used: RefCell<BTreeSet<String>>,
}

impl FromIterator<(String, Tensor)> for Parts {
    fn from_iter<I: IntoIterator<Item = (String, Tensor)>>(tensors: I) -> Self {
        Parts { tensors: tensors.into_iter().collect(), used: RefCell::default() }
    }
}

impl Parts {
    pub fn get(&self, part: &str) -> Option<&Tensor> {
        let tensor = self.tensors.get(part)?;
        self.used.borrow_mut().insert(part.to_owned());
        Some(tensor)
    }

    pub fn has(&self, parts: &[&str]) -> bool {
        parts.iter().all(|part| self.tensors.contains_key(*part))
    }

    /// The names of what was asked for.
    pub fn used(&self) -> BTreeSet<String> {
        self.used.borrow().clone()
    }

    /// The rank that `alpha` is divided by.
    fn rank(&self, kind: Kind) -> Option<usize> {
        kind.rank_parts().iter().find_map(|part| self.get(part)?.dims().first().copied())
    }

    /// `part`, without which there is no update.
    fn need(&self, part: &str) -> std::result::Result<&Tensor, Misfit> {
        self.get(part).ok_or_else(|| Misfit::Pair(say!("`{part}` is missing", "`{part}` がありません")))
    }

    /// `part` with its dimensions after the first flattened: (rows, columns).
    fn matrix(&self, part: &str) -> std::result::Result<Tensor, Misfit> {
        Ok(tensor::as_matrix(self.need(part)?)?)
    }

    /// The one number in `part`.
    pub fn scalar(&self, part: &str) -> std::result::Result<Option<f64>, Misfit> {
        let Some(tensor) = self.get(part) else { return Ok(None) };
        if tensor.elem_count() != 1 {
            let shape = tensor.dims();
            return Err(Misfit::Pair(say!(
                "`{part}` is {shape:?} and should be one number",
                "`{part}` は一つの数のはずが {shape:?} です"
            )));
        }
        Ok(tensor.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?.first().copied())
    }

    /// [`Parts::scalar`] where it is used: a number, not infinite.
    pub fn finite_scalar(&self, part: &str) -> std::result::Result<Option<f64>, Misfit> {
        match self.scalar(part)? {
            Some(value) if !value.is_finite() => {
                Err(Misfit::Pair(say!("`{part}` is {value}", "`{part}` が {value} です")))
            }
            value => Ok(value),
        }
    }
}

/// All parts that some kind, or every module, reads. What else a file holds is left alone.
const KNOWN: [&str; 34] = [
    "lora_up.weight",
    "lora_down.weight",
    "lora_mid.weight",
    "hada_w1_a",
    "hada_w1_b",
    "hada_w2_a",
    "hada_w2_b",
    "hada_t1",
    "hada_t2",
    "weight",
    "on_input",
    "lokr_w1",
    "lokr_w1_a",
    "lokr_w1_b",
    "lokr_w2",
    "lokr_w2_a",
    "lokr_w2_b",
    "lokr_t2",
    "diff",
    "diff_b",
    "w_norm",
    "b_norm",
    "a1.weight",
    "a2.weight",
    "b1.weight",
    "b2.weight",
    "oft_blocks",
    "oft_diag",
    "rescale",
    "alpha",
    "scale",
    "bias",
    "dora_scale",
    "lora_magnitude_vector",
];

/// Whether a part means anything.
pub(super) fn is_known(part: &str) -> bool {
    KNOWN.contains(&part)
}

/// The update that `parts` make of a weight of shape `target`; `None` when they are of no known kind.
pub(super) fn read(parts: &Parts, target: &[usize], as_meant: bool) -> Option<Read> {
    let has = |part: &str| parts.has(&[part]);
    let kind = if as_meant { Kind::as_meant(has, target) } else { Kind::of_parts(has, target) };
    let read = match kind? {
        Kind::Lora | Kind::Locon => lora::read,
        Kind::Loha => loha::read,
        Kind::Ia3 => ia3::read,
        Kind::Lokr => lokr::read,
        Kind::Full => full::read,
        Kind::Norm => norm::read,
        Kind::Glora => glora::read,
        Kind::Oft | Kind::Boft => oft::read,
    };
    Some(read(parts, target))
}
