//! What is surprising about the files that a picture is drawn with, now that they are open.

use std::collections::{BTreeMap, HashSet};

use crate::diagnostic::{Diagnostic, Said, code};
use crate::engine::{Engine, ModelTypeSource};
use crate::lora::{Network, NetworkModule};
use crate::plan::{LoraPlan, Plan, check};
use crate::say;

/// How it is known what the network predicts, where that is not the usual.
pub fn prediction(engine: &Engine) -> Option<Diagnostic> {
    let (model_type, source) = engine.model_type();
    let snr = if model_type.zero_terminal_snr { " + zero terminal SNR" } else { "" };
    let marked = engine.checkpoint().file().entry("v_pred").is_some();
    let message = match (source, model_type.is_v()) {
        (ModelTypeSource::Markers, _) => say!(
            "the checkpoint is marked as v-prediction{snr}, and run so; webui 1.10 ignores these marks (--prediction eps does too)",
            "チェックポイントに v-prediction{snr} の印があるので、そのように実行します。webui 1.10 はこの印を無視します (--prediction eps も同じ)"
        ),
        (ModelTypeSource::Metadata, true) => say!(
            "the checkpoint's metadata says v-prediction{snr}, and it is run so; webui 1.10 ignores this (--prediction eps does too)",
            "チェックポイントのメタデータに v-prediction{snr} とあるので、そのように実行します。webui 1.10 はこれを無視します (--prediction eps も同じ)"
        ),
        (ModelTypeSource::Scheduler, true) => say!(
            "the scheduler's configuration in the folder says v-prediction{snr}, and the model is run so",
            "フォルダーの scheduler の設定に v-prediction{snr} とあるので、そのように実行します"
        ),
        (ModelTypeSource::Yaml, true) => say!(
            "the YAML file beside the checkpoint says v-prediction{snr}, and it is run so",
            "チェックポイントの横の YAML ファイルに v-prediction{snr} とあるので、そのように実行します"
        ),
        (ModelTypeSource::Yaml, false) if marked => say!(
            "the checkpoint is marked as v-prediction, and the YAML file beside it says epsilon, which counts; --prediction v overrules it",
            "チェックポイントには v-prediction の印がありますが、横の YAML ファイルの epsilon に従います。--prediction v が優先します"
        ),
        _ => return None,
    };
    Some(Diagnostic::new(code::PREDICTION, message))
}

/// What is surprising about a LoRA file.
pub fn lora(lora: &LoraPlan, network: &Network, plan: &Plan) -> Vec<Diagnostic> {
    let name = &lora.name;
    let mut found = Vec::new();
    if let Some(example) = network.unmatched().first() {
        // `MODULE.lora_down.weight` and its like: one module each, as far as the names tell.
        let modules: HashSet<_> = network.unmatched().iter().map(|t| t.split('.').next().unwrap_or_default()).collect();
        let all = modules.len() + network.modules().len();
        found.push(check::unmatched_keys(name, modules.len(), all, example));
    }
    if let Some(example) = network.left_out().first() {
        found.push(check::left_out_parts(name, network.left_out().len(), example));
    }
    // What cannot be read is told where it is applied.
    if network.is_zero().unwrap_or(false) {
        let message = say!("{name}: all its deltas are zero", "{name}: 差分がすべて 0 です");
        let help =
            say!("it was saved before any training, or its alphas are 0", "学習前に保存されたか、alpha が 0 です");
        found.push(Diagnostic::new(code::WITHOUT_EFFECT, message).help(help));
    }
    if let count @ 1.. = network.leniently_matched() {
        let message = say!(
            "{name}: {count} tensors have names that webui does not know; they are loaded as their author meant (--lora-keys webui ignores them)",
            "{name}: webui の知らない名前のテンソルが {count} 個あります。作者の意図どおりに読み込みます (--lora-keys webui で無視できます)"
        );
        found.push(Diagnostic::new(code::LENIENT_KEYS, message));
    }
    if lora.weights().flatten().all(|w| *w == 1.0) && lora.elements.is_empty() {
        return found;
    }
    let outside: Vec<_> = network.modules().iter().filter(|m| m.block().is_none()).collect();
    if let Some(first) = outside.first() {
        let (count, first) = (outside.len(), first.name());
        let message = say!(
            "{name}: {count} modules lie outside the blocks and keep ratio 1, for example {first}",
            "{name}: {count} 個のモジュールはブロックの外にあり、比率 1 のままです (例: {first})"
        );
        found.push(Diagnostic::new(code::OUTSIDE_BLOCKS, message));
    }
    let mut quirks: BTreeMap<_, usize> = BTreeMap::new();
    let is_scaled = |module: &&NetworkModule| {
        lora.weights().any(|blocks| lora.ratio_among(blocks, plan.family, module.name()) != 1.0)
    };
    for module in network.modules().iter().filter(is_scaled) {
        module.quirks().into_iter().for_each(|quirk| *quirks.entry(quirk).or_default() += 1);
    }
    found.extend(quirks.into_iter().map(|(quirk, modules)| check::nonlinear_kind(name, &quirk.said(), modules)));
    found
}
