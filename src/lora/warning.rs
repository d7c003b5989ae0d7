//! What a user should know about a network that is used all the same.

use std::fmt;

use super::module::Quirk;
use super::network::Network;

/// A surprise in a network, with how often it occurs and an example.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "warning", rename_all = "kebab-case")]
pub enum Warning {
    /// Tensors that webui would not have matched.
    Lenient { tensors: usize, example: String },
    /// Tensors that belong to no module.
    Unmatched { tensors: usize, example: String },
    /// Modules that webui matches and never applies.
    IncompleteAttention { modules: usize, example: String },
    /// Modules whose block weight does not scale their delta.
    BlockWeight { quirk: Quirk, modules: usize, example: String },
}

impl Network {
    /// What is surprising about this network; `exact` as in [`NetworkModule::delta`](super::NetworkModule::delta).
    pub fn warnings(&self, exact: bool) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if let [example, ..] = self.leniently_matched() {
            warnings.push(Warning::Lenient { tensors: self.leniently_matched().len(), example: example.clone() });
        }
        if let [example, ..] = self.unmatched() {
            warnings.push(Warning::Unmatched { tensors: self.unmatched().len(), example: example.clone() });
        }
        if let [example, ..] = self.incomplete_attentions() {
            let modules = self.incomplete_attentions().len();
            warnings.push(Warning::IncompleteAttention { modules, example: example.clone() });
        }
        if !exact {
            warnings.extend(Quirk::ALL.into_iter().filter_map(|quirk| self.block_weight_warning(quirk)));
        }
        warnings
    }

    fn block_weight_warning(&self, quirk: Quirk) -> Option<Warning> {
        // Outside the blocks the ratio is always 1, and all ways of scaling are the same.
        let has_quirk = |module: &&super::NetworkModule| module.block().is_some() && module.quirks().contains(&quirk);
        let mut modules = self.modules().iter().filter(has_quirk);
        let example = modules.next()?.name().to_owned();
        Some(Warning::BlockWeight { quirk, modules: 1 + modules.count(), example })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |n: &usize| if *n == 1 { "" } else { "s" };
        match self {
            Warning::Lenient { tensors, example } => write!(
                f,
                "webui does not know {tensors} tensor name{} of this file (`{}` for one) and would leave them out",
                plural(tensors),
                example.escape_debug()
            ),
            Warning::Unmatched { tensors, example } => write!(
                f,
                "{tensors} tensor{} of this file belong to no module of this model (`{}` for one); they have no effect",
                plural(tensors),
                example.escape_debug()
            ),
            Warning::IncompleteAttention { modules, example } => write!(
                f,
                "as in webui, {modules} OpenCLIP attention module{} have no effect (`{example}` for one), because q, k, v and out \
                 are not all in the file",
                plural(modules)
            ),
            Warning::BlockWeight { quirk, modules, example } => {
                write!(f, "{quirk} ({modules} module{}, `{example}` for one)", plural(modules))
            }
        }
    }
}
