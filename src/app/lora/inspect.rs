//! What a LoRA file is, and how large its deltas are block by block.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::chart;
use crate::app::answer::Answer;
use crate::app::atlas::{self, Atlas};
use crate::app::error::{Error, Result};
use crate::checkpoint::TensorFile;
use crate::diagnostic::{Text, code};
use crate::image_io::{Existing, write_file};
use crate::lora::{BlockDeltas, Deltas, Inspection, LoraHashes};
use crate::model::Architecture;
use crate::say;

/// A LoRA file that has been looked into.
#[derive(Debug)]
pub struct Inspected<'p> {
    path: &'p Path,
    /// What the file is.
    pub inspection: Inspection,
    /// What sites and infotexts know it by.
    pub hashes: LoraHashes,
    /// How large its deltas are.
    pub deltas: Deltas,
}

/// Looks into a LoRA file.
pub fn inspect(path: &Path) -> Result<Inspected<'_>> {
    // A file that is no file of tensors is read once, and not by each that looks at it.
    if let Some(architecture) = Architecture::of(&TensorFile::open(path)?) {
        let (path, family) = (path.display(), architecture.family.label());
        let message = say!(
            "{path}: this is a checkpoint of {family} and not a LoRA",
            "{path}: LoRA ではなく {family} のチェックポイントです"
        );
        let help = say!("`--model {path}` draws with it", "`--model {path}` で描けます");
        return Err(Error::file(code::UNUSABLE_FILE, message).help(help));
    }
    // Hashing takes as long as measuring.
    let (hashes, deltas) = rayon::join(|| LoraHashes::of_file(path), || Deltas::of_file(path));
    Ok(Inspected { path, inspection: Inspection::of_file(path, None)?, hashes: hashes?, deltas: deltas? })
}

impl Inspected<'_> {
    /// Writes the norms of the blocks as a chart (SVG).
    pub fn write_chart(&self, file: &Path) -> Result<()> {
        let title = self.path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
        Ok(write_file(file, chart::svg(&title, &self.deltas).as_bytes(), Existing::Keep)?)
    }

    /// All of it, with what one or two atlases say; the first has to be of this LoRA.
    pub fn with_atlases(&self, files: &[PathBuf]) -> Result<Answer> {
        let mut answer = self.answer();
        let atlases = files.iter().map(|file| atlas::open(file)).collect::<Result<Vec<_>>>()?;
        let is_this = |atlas: &Atlas| atlas.loras.iter().any(|lora| lora.hash.as_ref() == Some(&self.hashes.sha256));
        if let (Some(first), Some(file)) = (atlases.first().filter(|first| !is_this(first)), files.first()) {
            let (file, path) = (file.display(), self.path.display());
            let names = first.loras.iter().map(|lora| lora.name.as_str()).collect::<Vec<_>>().join(", ");
            let message = say!(
                "{file}: the atlas is of {names}, and not of the file {path}",
                "{file}: {names} のアトラスで、ファイル {path} のものではありません"
            );
            return Err(Error::words(code::OTHER_FOLDER, message)
                .help(say!("`lbw atlas` makes one of this file", "`lbw atlas` でこのファイルのアトラスを作れます")));
        }
        let mut text = vec![std::mem::take(&mut answer.text)];
        let lines = |texts: Vec<Text>| Text::join(texts.into_iter().map(|text| text.then(&Text::same("\n"))), "");
        for atlas in &atlases {
            text.extend([Text::same("\n"), atlas.table(), lines(atlas.paragraphs())]);
        }
        answer.json["atlases"] = json!(atlases);
        if let [first, second] = atlases.as_slice() {
            let comparison = atlas::compare(first, second);
            text.extend([Text::same("\n"), lines(comparison.paragraphs())]);
            answer.json["comparison"] = json!(comparison);
        }
        answer.text = Text::join(text, "");
        Ok(answer)
    }

    /// All of it.
    pub fn answer(&self) -> Answer {
        let Inspected { path, inspection, hashes, deltas } = self;
        let json =
            json!({ "file": path.to_string_lossy(), "inspection": inspection, "hashes": hashes, "deltas": deltas });
        Answer::new(json, described(self))
    }
}

fn described(inspected: &Inspected<'_>) -> Text {
    let Inspected { path, inspection, hashes, deltas } = inspected;
    let Inspection { kinds, ranks, alphas, dtypes, blocks, .. } = inspection;
    let counts = |pairs: Vec<(String, usize)>| {
        pairs.into_iter().map(|(what, n)| format!("{what} ×{n}")).collect::<Vec<_>>().join(", ")
    };
    let mut out = vec![Text::same(format!("{}\n", path.display()))];
    let mut line = |title: Text, value: String| out.push(titled(&title, &value));
    line(say!("made for", "対象"), inspection.made_for.unwrap_or("?").to_owned());
    line(say!("kind", "種類"), counts(kinds.iter().map(|(k, n)| (k.to_string(), *n)).collect()));
    if inspection.dora_modules > 0 {
        line(say!("DoRA", "DoRA"), inspection.dora_modules.to_string());
    }
    line(say!("rank", "ランク"), counts(ranks.iter().map(|(r, n)| (r.to_string(), *n)).collect()));
    line(say!("alpha", "alpha"), counts(alphas.iter().map(|(a, n)| (a.to_string(), *n)).collect()));
    line(say!("dtype", "型"), counts(dtypes.iter().map(|(d, n)| (d.clone(), *n)).collect()));
    line(say!("sha256", "sha256"), hashes.sha256.clone());
    line(say!("lora hash", "lora hash"), hashes.webui.clone());
    let modules = blocks.iter().map(|(_, n)| n).sum::<usize>() + inspection.outside_blocks.len();
    line(say!("modules", "モジュール"), modules.to_string());
    for (block, modules) in blocks {
        let measured = deltas.blocks.iter().find(|measured| measured.block == *block);
        let measured = measured.map_or_else(Text::default, |measured| measures(measured, deltas));
        out.push(
            say!("    {block:<6} {modules:>4}{measured}\n", "    {block:<6} {modules:>4}{measured}\n", with measured),
        );
    }
    if deltas.norm > 0.0 {
        let norm = format!("{:.4}", deltas.norm);
        out.push(say!(
            "  norm       {norm} in all; bars show the share of the sum of squares\n",
            "  ノルム     全体で {norm}。棒は二乗和に占める割合\n"
        ));
        let elements = deltas.elements.iter().map(|(name, share)| format!("{name} {:.1}%", share * 100.0));
        let elements = elements.collect::<Vec<_>>().join(", ");
        out.push(say!("  elements   {elements}\n", "  要素       {elements}\n"));
    }
    if let count @ 1.. = deltas.unmeasured {
        out.push(say!(
            "  {count} modules are no plain LoRA or LoCon of a usual rank and are not measured\n",
            "  {count} 個のモジュールは普通のランクの LoRA でも LoCon でもないので測っていません\n"
        ));
    }
    let mut list = |title: Text, names: &[String]| {
        if let (count, Some(first)) = (names.len(), names.first()) {
            out.push(
                say!("  {title}: {count}, for example {first}\n", "  {title}: {count} 個 (例: {first})\n", with title),
            );
        }
    };
    list(say!("outside the blocks (always ratio 1)", "ブロックの外 (つねに比率 1)"), &inspection.outside_blocks);
    list(say!("of unknown kind", "種類が不明"), &inspection.unknown_kind);
    list(say!("not matched", "合うものがない"), &inspection.unmatched);
    if let count @ 1.. = inspection.leniently_matched {
        out.push(say!(
            "  {count} tensors have names that webui does not know\n",
            "  {count} 個のテンソルの名前を webui は知りません\n"
        ));
    }
    if !inspection.metadata.is_empty() {
        out.push(say!("  metadata\n", "  メタデータ\n"));
    }
    for (key, value) in &inspection.metadata {
        const SHOWN: usize = 120;
        let short: String = value.chars().take(SHOWN).collect();
        let more = if short.len() < value.len() { "…" } else { "" };
        out.push(Text::same(format!("    {}: {}{more}\n", key.replace('\n', " "), short.replace('\n', " "))));
    }
    Text::join(out, "")
}

/// A line with its title in a column of its own.
fn titled(title: &Text, value: &str) -> Text {
    Text::same("  ").then(&title.padded(10)).then(&Text::same(format!(" {value}\n")))
}

fn measures(block: &BlockDeltas, deltas: &Deltas) -> Text {
    const BAR: f64 = 24.0;
    let largest = deltas.blocks.iter().map(|block| block.share).fold(f64::MIN_POSITIVE, f64::max);
    let scale = match block.scale {
        (least, greatest) if least == greatest => format!("{least:.4}"),
        (least, greatest) => format!("{least:.4}–{greatest:.4}"),
    };
    let (norm, rank, percent) = (block.norm, block.effective_rank, block.share * 100.0);
    let bar = "█".repeat((block.share / largest * BAR).round() as usize);
    say!(
        "  norm {norm:<9.4} effective rank {rank:<5.1} alpha/rank {scale:<8} {percent:>5.1}% {bar}",
        "  ノルム {norm:<9.4} 実効ランク {rank:<5.1} alpha/ランク {scale:<8} {percent:>5.1}% {bar}"
    )
}
