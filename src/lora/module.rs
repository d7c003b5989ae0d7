//! One module of a network: where it goes, and the delta it makes there.

use std::sync::Arc;

use candle_core::{DType, Result, Tensor};

use super::kind::{Dora, Kind, Misfit, Parts, Update, product, read};
use super::names::Strength;
use super::table::Target;
use crate::block::Block;
use crate::diagnostic::{Said, Text};
use crate::say;

/// What is added to a module's parameters. `None` is nothing at all.
#[derive(Debug, Clone, Default)]
pub struct Delta {
    /// f32, of the target's shape.
    pub weight: Option<Tensor>,
    /// f32, one number per row of the target; only where the target has a bias.
    pub bias: Option<Tensor>,
}

/// The two factors of a plain LoRA or LoCon: its delta is strength × ratio × `scale` × `up` @ `down`.
#[derive(Debug)]
pub struct Factors<'m> {
    /// (rows, rank), in the file's dtype.
    pub up: &'m Tensor,
    /// (rank, columns), in the file's dtype; the columns of a convolution are (input, height, width).
    pub down: &'m Tensor,
    /// `alpha` over the rank, or what the file says.
    pub scale: f64,
}

/// A way in which webui's block weight is not a plain scaling of a module's delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quirk {
    /// DoRA: the update is scaled before the norms are restored; weight 0 is not off.
    Dora,
    /// GLoRA: one of the two products is scaled.
    HalfScaled,
    /// The bias delta keeps ratio 1.
    BiasUnscaled,
    /// A bias that is added to the update keeps ratio 1.
    AddendUnscaled,
    /// The extension stops with an error (LoKr whose first factor is a product). lbw scales the delta.
    ExtensionFails,
}

impl Said for Quirk {
    fn said(&self) -> Text {
        match self {
            Quirk::Dora => say!(
                "DoRA modules are not scaled in proportion to a block weight, and weight 0 does not switch them off",
                "DoRA は階層別の重みに比例せず、重み 0 でも切れません"
            ),
            Quirk::HalfScaled => say!(
                "of GLoRA modules only one of two products is scaled by a block weight",
                "GLoRA では二つの積の片方にだけ重みが掛かります"
            ),
            Quirk::BiasUnscaled => say!(
                "bias deltas keep ratio 1 whatever the block weight",
                "バイアスの差分は重みによらず比率 1 のままです"
            ),
            Quirk::AddendUnscaled => say!(
                "the `bias` added to a delta keeps ratio 1 whatever the block weight",
                "差分に加わる `bias` は重みによらず比率 1 のままです"
            ),
            Quirk::ExtensionFails => say!(
                "the extension fails on LoKr modules with a factored first matrix; lbw scales them",
                "最初の行列が分解された LoKr で拡張機能は止まります。lbw は重みを掛けます"
            ),
        }
    }
}

/// A module of a network that was matched to a layer of the model.
#[derive(Debug, Clone)]
pub struct NetworkModule {
    name: String,
    target: Target,
    block: Option<Block>,
    strength: Strength,
    update: Arc<dyn Update>,
    scale: f64,
    /// Added to the update before scaling (LyCORIS's rare `bias`).
    addend: Option<Tensor>,
    dora: Option<Dora>,
    /// Added to the layer's bias.
    bias: Option<Tensor>,
}

fn bias_misfit(part: &str, bias: &Tensor, target: &Target) -> Misfit {
    let (bias, weight) = (bias.dims(), &target.shape);
    Misfit::Pair(say!(
        "`{part}` is {bias:?} for a weight of {weight:?}",
        "重み {weight:?} に対して `{part}` は {bias:?} です"
    ))
}

/// What [`NetworkModule::read`] is told besides the tensors.
pub(super) struct Place {
    pub name: String,
    pub target: Target,
    pub block: Option<Block>,
    /// Read DoRA magnitudes as meant, not as webui does.
    pub as_meant: bool,
}

impl NetworkModule {
    /// The module that `parts` are; `None` when they are of no known kind.
    ///
    /// `adapter_scale` gives the scale for a rank when the file's metadata does; it counts where there is no `alpha`.
    pub(super) fn read(
        place: Place,
        parts: &Parts,
        adapter_scale: impl FnOnce(usize) -> Option<f64>,
    ) -> Option<std::result::Result<Self, Misfit>> {
        let update = match read(parts, &place.target.shape, place.as_meant)? {
            Ok(update) => Arc::from(update),
            Err(misfit) => return Some(Err(misfit)),
        };
        Some(Self::with_update(place, parts, update, adapter_scale))
    }

    fn with_update(
        Place { name, target, block, as_meant }: Place,
        parts: &Parts,
        update: Arc<dyn Update>,
        adapter_scale: impl FnOnce(usize) -> Option<f64>,
    ) -> std::result::Result<Self, Misfit> {
        let rotates = matches!(update.kind(), Kind::Oft | Kind::Boft);
        let scale = match (parts.finite_scalar("scale")?, update.dim()) {
            _ if rotates => 1.0,
            (_, Some(0)) => return Err(Misfit::Pair(say!("its rank is 0", "rank が 0 です"))),
            (Some(scale), _) => scale,
            // What divides nothing may be anything: LoKr "of full dimension" has an alpha that f16 cannot hold.
            (None, None) => 1.0,
            (None, Some(dim)) => match parts.finite_scalar("alpha")? {
                Some(alpha) => alpha / dim as f64,
                None => adapter_scale(dim).unwrap_or(1.0),
            },
        };
        if !scale.is_finite() {
            return Err(Misfit::Pair(say!("its rank is 0", "rank が 0 です")));
        }
        let addend = parts.get("bias").cloned();
        if let Some(bias) = addend.as_ref().filter(|bias| bias.elem_count() != product(&target.shape)) {
            return Err(bias_misfit("bias", bias, &target));
        }
        let dora = match (parts.get("dora_scale"), parts.get("lora_magnitude_vector")) {
            (Some(scale), _) => Some(Dora::read(scale, &target.shape, as_meant)?),
            // PEFT's magnitudes are those of the rows, whatever their shape.
            (None, Some(magnitude)) => Some(Dora::read(&magnitude.flatten_all()?, &target.shape, true)?),
            (None, None) => None,
        };
        let is_norm = update.kind() == Kind::Norm || (as_meant && !parts.has(&["diff_b"]));
        let bias_part = if is_norm { "b_norm" } else { "diff_b" };
        // webui hands only these kinds' biases on; ComfyUI's extracted LoRAs have them beside every kind.
        let carries_bias = as_meant || matches!(update.kind(), Kind::Norm | Kind::Full);
        let bias = if carries_bias && target.bias.is_some() { parts.get(bias_part).cloned() } else { None };
        if let Some(bias) = bias.as_ref().filter(|bias| Some(&bias.elem_count()) != target.shape.first()) {
            return Err(bias_misfit(bias_part, bias, &target));
        }
        Ok(NetworkModule {
            strength: Strength::of_module(&name),
            name,
            target,
            block,
            update,
            scale,
            addend,
            dora,
            bias,
        })
    }

    /// webui's name of the layer, which blocks and element rules are looked up by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The weight it changes.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// `None` outside the blocks, where the ratio is always 1.
    pub fn block(&self) -> Option<Block> {
        self.block
    }

    /// Which of the LoRA's strengths multiplies the delta.
    pub fn strength(&self) -> Strength {
        self.strength
    }

    /// What its tensors are.
    pub fn kind(&self) -> Kind {
        self.update.kind()
    }

    /// Whether the module carries DoRA magnitudes.
    pub fn is_dora(&self) -> bool {
        self.dora.is_some()
    }

    /// The rank, for kinds that have one.
    pub fn rank(&self) -> Option<usize> {
        self.update.dim()
    }

    /// What U is multiplied by: the file's `scale`, or alpha / rank, or 1.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Whether the weight's delta is strength × ratio × a fixed tensor, in webui's way too.
    pub fn is_linear(&self) -> bool {
        self.update.is_linear() && self.addend.is_none() && self.dora.is_none()
    }

    /// Whether it changes nothing, whatever its strength: a scale of 0, or a factor of zeros, as before any training.
    pub fn is_zero(&self) -> Result<bool> {
        if self.dora.is_some() || self.addend.is_some() || self.bias.is_some() {
            return Ok(false);
        }
        let Some((up, _)) = self.update.factors() else { return Ok(self.scale == 0.0) };
        Ok(self.scale == 0.0 || up.abs()?.max_all()?.to_dtype(DType::F64)?.to_scalar::<f64>()? == 0.0)
    }

    /// Where webui's block weight does not simply scale this module's delta.
    pub fn quirks(&self) -> Vec<Quirk> {
        let quirks = [
            (self.dora.is_some(), Quirk::Dora),
            (!self.update.is_linear(), Quirk::HalfScaled),
            (self.bias.is_some(), Quirk::BiasUnscaled),
            (self.addend.is_some(), Quirk::AddendUnscaled),
            (self.update.breaks_extension(), Quirk::ExtensionFails),
        ];
        quirks.into_iter().filter_map(|(applies, quirk)| applies.then_some(quirk)).collect()
    }

    /// The factors of a plain LoRA or LoCon, for merging without making the delta first.
    pub fn factors(&self) -> Option<Factors<'_>> {
        let (up, down) = self.update.factors().filter(|_| self.is_linear())?;
        Some(Factors { up, down, scale: self.scale })
    }

    /// The delta for the target's original weight `base` (f32, of the target's shape, on the CPU).
    ///
    /// `ratio` is the block weight or element ratio. As in webui it scales one tensor of the kind, which is not always the
    /// delta (see [`NetworkModule::quirks`]); with `exact` it scales the whole delta. A delta that is zero whatever the
    /// tensors hold is `None`.
    pub fn delta(&self, base: &Tensor, strength: f64, ratio: f64, exact: bool) -> Result<Delta> {
        let (inner, outer) = if exact { (1.0, ratio * strength) } else { (ratio, strength) };
        let is_off = outer == 0.0 || (self.is_linear() && inner == 0.0);
        let weight = if is_off { None } else { Some(self.scaled_update(base, inner)?.affine(outer, 0.0)?) };
        Ok(Delta { weight, bias: self.bias_delta(strength, ratio, exact)? })
    }

    /// Whether the network changes the layer's bias.
    pub fn has_bias(&self) -> bool {
        self.bias.is_some()
    }

    /// [`Delta::bias`] alone, which needs no original weight.
    pub fn bias_delta(&self, strength: f64, ratio: f64, exact: bool) -> Result<Option<Tensor>> {
        let factor = if exact { ratio * strength } else { strength };
        let bias = self.bias.as_ref().filter(|_| factor != 0.0);
        bias.map(|bias| bias.flatten_all()?.to_dtype(DType::F32)?.affine(factor, 0.0)).transpose()
    }

    fn scaled_update(&self, base: &Tensor, ratio: f64) -> Result<Tensor> {
        let shape = self.target.shape.as_slice();
        let mut update = self.update.update(base, ratio)?.reshape(shape)?;
        if let Some(addend) = &self.addend {
            update = (update + addend.to_dtype(DType::F32)?.reshape(shape)?)?;
        }
        let update = update.affine(self.scale, 0.0)?;
        match &self.dora {
            Some(dora) => dora.renormalise(base, &update),
            None => Ok(update),
        }
    }

    /// The module with its rank cut as webui's `dyn` argument does; kinds that it does not cut stay whole.
    pub(super) fn cut(&self, dim: i64) -> Result<Self> {
        let update = self.update.cut(dim)?.map_or_else(|| self.update.clone(), Arc::from);
        Ok(NetworkModule { update, ..self.clone() })
    }
}
