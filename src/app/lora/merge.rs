//! Several LoRAs with their strengths and block weights into one file.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::model::{self, Model};
use super::{of_tags, talk};
use crate::app::answer::Answer;
use crate::app::error::Result;
use crate::app::session::Session;
use crate::diagnostic::Text;
use crate::lora::surgery::{self, Merge, Merged, Precision, Source};
use crate::lora::{KeyTable, NetworkModule, Strength};
use crate::plan::LoraPlan;
use crate::say;

/// What is to be merged.
#[derive(Debug, Clone)]
pub struct MergeWish {
    /// LoRA tags as a prompt has them.
    pub tags: String,
    /// The new file.
    pub output: PathBuf,
    /// The rank that every module is cut to.
    pub rank: Option<usize>,
    /// How new factors are stored.
    pub precision: Precision,
    /// Block weights scale the whole delta of every kind of network, also where the extension does not.
    pub exact: bool,
    /// Whether a file that is there is replaced.
    pub overwrite: bool,
}

/// Writes several LoRAs with their strengths and block weights into one file.
pub fn merge(session: &Session, wish: &MergeWish) -> Result<Answer> {
    model::check_output(&wish.output)?;
    let (loras, found) = of_tags(&wish.tags, session)?;
    let Some((_, first)) = loras.first() else {
        let tags = &wish.tags;
        return Err(talk::wrong(say!("there is no LoRA tag in `{tags}`", "`{tags}` に LoRA のタグがありません")));
    };
    for (lora, _) in &loras {
        let name = &lora.name;
        if !lora.is_always_the_same() || lora.dyn_dim.is_some() {
            return Err(talk::wrong(say!(
                "`{name}`: start, stop, step, what changes over the steps and the tag's rank cannot be merged: a file has no steps; leave them out",
                "`{name}`: start、stop、step、時間で変わるもの、タグのランクはまとめられません。ファイルにはステップがないので、取り除いてください"
            )));
        }
    }
    let model = Model::of(first, session)?;
    let family = model.table.family();
    let factor = |lora: &LoraPlan, module: &NetworkModule| {
        let strength = if module.strength() == Strength::Te { lora.te } else { lora.unet };
        (strength, lora.ratio(family, module.name()))
    };
    let factors: Vec<_> = loras.iter().map(|(lora, _)| move |module: &NetworkModule| factor(lora, module)).collect();
    let sources: Vec<Source> =
        loras.iter().zip(&factors).map(|((_, path), factor)| Source { path: path.clone(), factor }).collect();
    let origins: Vec<_> = loras.iter().map(|(_, path)| model::origin(path)).collect();
    let options = Merge {
        table: &model.table,
        keys: KeyTable::Lenient,
        base: model.checkpoint.as_ref().map(|checkpoint| checkpoint.file()),
        exact: wish.exact,
        rank: wish.rank,
        precision: wish.precision,
        provenance: json!({ "tags": wish.tags, "of": origins, "rank": wish.rank }).to_string(),
        existing: model::existing(wish.overwrite),
    };
    let merged = surgery::merge(&sources, &wish.output, &options)?;
    let text = Text::join([summary(&wish.output, &merged), talk::errors(&merged.errors)], "");
    let mut answer = Answer::new(json!({ "file": wish.output.to_string_lossy(), "merged": merged }), text).with(found);
    for (path, tensors) in &merged.without_effect {
        answer.found.extend(talk::without_effect(Path::new(path), tensors));
    }
    for (path, tensors) in &merged.left_out {
        let (file, count) = (path, tensors.len());
        let example = tensors.first().cloned().unwrap_or_default();
        answer.found.push(talk::left_out(say!(
            "{file}: {count} tensors belong to no module of the model and are not in the new file, for example {example}",
            "{file}: {count} 個のテンソルはモデルのどのモジュールのものでもなく、新しいファイルに入っていません。たとえば {example} です"
        )));
    }
    Ok(answer)
}

fn summary(output: &Path, merged: &Merged) -> Text {
    let file = output.display();
    let Merged { kept, concatenated, full, cut, dropped, .. } = merged;
    say!(
        "{file}: {concatenated} modules with their ranks added up, {kept} as one of the LoRAs had them, {full} as differences of \
         weights, {cut} cut to the rank, {dropped} left out (factor 0)\n",
        "{file}: ランクを足し合わせたモジュール {concatenated} 個、片方の LoRA のままのモジュール {kept} 個、重みの差分にしたモジュール {full} 個、ランクを切り詰めたモジュール {cut} 個、除いたモジュール {dropped} 個 (係数 0)\n"
    )
}
