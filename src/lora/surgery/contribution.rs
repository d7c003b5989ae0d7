//! One source's module on its way into a merged file.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::DType;

use super::super::file;
use super::super::kind::Kind;
use super::super::matching::KeyTable;
use super::super::matching::{Group, Matching};
use super::super::module::NetworkModule;
use super::super::network::Network;
use super::super::table::ModuleTable;
use super::SurgeryError;
use super::factors::Factors;
use super::output::{Precision, Stored};
use crate::checkpoint::TensorFile;

/// A LoRA file matched to the model.
pub(super) struct Opened {
    pub file: TensorFile,
    pub network: Network,
    pub groups: BTreeMap<String, Group>,
}

impl Opened {
    pub fn read(path: &Path, table: &ModuleTable, keys: KeyTable) -> Result<Self, SurgeryError> {
        let network = Network::open(path, table, keys)?;
        let file = TensorFile::open(path)?;
        let groups = Matching::new(file.names(), table, keys).groups;
        Ok(Opened { file, network, groups })
    }

    /// The module called `name` with its tensors.
    pub fn module(&self, name: &str) -> Option<(&NetworkModule, &Group)> {
        // The modules are in the order of their names.
        let modules = self.network.modules();
        let at = modules.binary_search_by(|module| module.name().cmp(name)).ok()?;
        Some((&modules[at], self.groups.get(name)?))
    }
}

/// A module of one source with its factor.
pub(super) struct Contribution<'s> {
    pub source: &'s Opened,
    pub module: &'s NetworkModule,
    pub group: &'s Group,
    pub strength: f64,
    pub ratio: f64,
}

/// Whether a module's delta depends on the weight it is added to.
pub(super) fn depends_on_base(module: &NetworkModule) -> bool {
    module.is_dora() || matches!(module.kind(), Kind::Ia3 | Kind::Glora | Kind::Oft | Kind::Boft)
}

impl<'s> Contribution<'s> {
    fn factor(&self) -> f64 {
        self.strength * self.ratio
    }

    /// What the bias is multiplied by.
    fn bias_factor(&self, exact: bool) -> f64 {
        if exact { self.factor() } else { self.strength }
    }

    pub fn is_nothing(&self, exact: bool) -> bool {
        let scales_all = exact || self.module.is_linear();
        let weight = if scales_all { self.factor() } else { self.strength };
        // Programs divide alpha by the rank: one of 0 is better left out.
        let is_empty = self.module.is_linear() && self.module.rank() == Some(0);
        (weight == 0.0 || is_empty) && (!self.module.has_bias() || self.bias_factor(exact) == 0.0)
    }

    pub fn factors(&self) -> Result<Option<Factors>, SurgeryError> {
        let factors = Factors::of(&self.source.file, self.module, self.group)?;
        Ok(factors.map(|factors| factors.scaled(self.factor())))
    }

    /// The module's own tensors under `key` with the factor in them; `None` where its kind cannot say it.
    pub fn kept(&self, key: &str, exact: bool) -> Result<Option<Vec<(String, Stored<'s>)>>, SurgeryError> {
        let (module, factor) = (self.module, self.factor());
        let is_whole = self.strength == 1.0 && self.ratio == 1.0;
        let scales = module.is_linear() && !matches!(module.kind(), Kind::Oft | Kind::Boft);
        let bias_stays = !module.has_bias() || self.bias_factor(exact) == 1.0;
        if !(is_whole || scales && bias_stays) {
            return Ok(None);
        }
        let file = &self.source.file;
        let mut tensors: BTreeMap<String, Stored<'s>> = self
            .group
            .parts
            .iter()
            .map(|(part, tensor)| (part.clone(), Stored::InFile(file, tensor.clone())))
            .collect();
        if let Some(rank) = module.rank() {
            // Written out, as the metadata it may come from are not in the new file.
            tensors.remove("scale");
            let alpha = Stored::number(module.scale() * factor * rank as f64);
            let alpha = alpha.ok_or_else(|| SurgeryError::Overflow { module: key.to_owned() })?;
            tensors.insert("alpha".to_owned(), alpha);
        } else if factor != 1.0 {
            const SCALED: [&str; 4] = ["diff", "w_norm", "weight", "lokr_w1"];
            let Some((part, tensor)) = SCALED.iter().find_map(|part| Some((*part, self.group.parts.get(*part)?)))
            else {
                return Ok(None);
            };
            let values = file::read(file, tensor)?.to_dtype(DType::F32)?.affine(factor, 0.0)?;
            if !values.abs()?.max_all()?.to_scalar::<f32>()?.is_finite() {
                return Err(SurgeryError::Overflow { module: key.to_owned() });
            }
            tensors.insert(part.to_owned(), Stored::tensor(&values, Precision::F32)?);
        }
        Ok(Some(tensors.into_iter().map(|(part, stored)| (format!("{key}.{part}"), stored)).collect()))
    }
}
