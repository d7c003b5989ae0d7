//! Findings about weight vectors and element rules.

use std::ops::Range;

use super::no_tag;
use crate::block::{Family, Layout, Space};
use crate::diagnostic::{Diagnostic, Said, Source, Text, code, did_you_mean};
use crate::plan::argument::Vector;
use crate::plan::element::{self, RuleProblem, RuleProblemKind};
use crate::plan::network::Network;
use crate::preset::{Preset, PresetFile, PresetSet};
use crate::say;
use crate::syntax::{Tag, lora_tag, python};

/// Whether a value of so many entries is meant as a vector, not as the name of a preset.
pub fn is_meant(entries: usize) -> bool {
    entries > 2
}

/// The value of `lbw=` is neither a preset nor a vector.
pub fn unknown_weights(value: &str, span: Range<usize>, source: &Source, presets: &PresetSet) -> Diagnostic {
    let entries = value.matches(',').count() + 1;
    if is_meant(entries) && other_separators(value).is_none() {
        let message =
            say!("a weight vector of {entries} entries does not exist", "{entries} 個の重みベクトルはありません");
        return Diagnostic::new(code::BAD_VECTOR_LENGTH, message)
            .within(source)
            .label(span, say!("{entries} entries", "{entries} 個"))
            .help(lengths());
    }
    if let Some(vector) = other_separators(value) {
        let by_commas = value.split(',').filter(|entry| !entry.trim().is_empty()).count() == vector.split(',').count();
        let message = match by_commas {
            true => say!(
                "this vector has a comma too many, which stands for an empty entry",
                "このベクトルにはコンマが余分にあり、空の要素になっています"
            ),
            false => say!(
                "the numbers of this vector are not separated by `,`",
                "このベクトルの数値は `,` で区切られていません"
            ),
        };
        let found = Diagnostic::new(code::UNKNOWN_PRESET, message).within(source).at(span);
        return found.help(say!("write `{vector}`", "`{vector}` と書いてください"));
    }
    let said = Diagnostic::new(
        code::UNKNOWN_PRESET,
        say!("there is no preset `{value}`", "プリセット `{value}` はありません"),
    )
    .within(source)
    .label(span, say!("not a preset and not a vector", "プリセットでもベクトルでもありません"));
    match presets.weights.nearest(value) {
        _ if matches!(value, "XYZ" | "ZYX") => said.help(say!(
            "`{value}` is the placeholder of `lbw xyz` and `lbw analyze`: write a preset or a vector in its place",
            "`{value}` は `lbw xyz` と `lbw analyze` のための目印です。代わりにプリセットかベクトルを書いてください"
        )),
        Some(near) if near == value.trim() => {
            said.help(say!("remove the spaces: `{near}`", "空白を消してください: `{near}`"))
        }
        Some(near) => said.help(say!("did you mean `{near}`?", "`{near}` ではありませんか")),
        None => said
            .help(say!("`lbw preset list` shows the names", "`lbw preset list` で名前の一覧が出ます"))
            .help(where_presets_are()),
    }
}

/// Presets of the user's own are found where they are looked for alone.
fn where_presets_are() -> Text {
    say!(
        "presets of your own are read from the files of `--presets` and `--element-presets` (or `presets` in config.toml) and from the \
         extension's folder in `--webui-dir`",
        "自分のプリセットは `--presets` と `--element-presets` のファイル (または config.toml の `presets`) と、`--webui-dir` にある拡張機能の\
         フォルダーから読まれます"
    )
}

/// Numbers, as many as a vector has, with anything but commas between them: the vector that is meant.
pub fn other_separators(value: &str) -> Option<String> {
    let value = no_tag::in_ascii(value);
    let by = |separators: &[char]| -> Option<Vec<String>> {
        let entries: Vec<_> =
            value.split(separators).map(str::trim).filter(|e| !e.is_empty()).map(str::to_owned).collect();
        let all_read = entries.iter().all(|entry| lora_tag::weight(entry).is_ok());
        (all_read && Layout::from_len(entries.len()).is_some()).then_some(entries)
    };
    let points = [',', ' ', '\u{3000}', '、', ';', '/', '|', '.'];
    by(&points[..points.len() - 1]).or_else(|| by(&points)).map(|entries| entries.join(","))
}

pub fn unknown_elements(value: &str, span: Range<usize>, source: &Source, presets: &PresetSet) -> Diagnostic {
    let said = Diagnostic::new(
        code::UNKNOWN_ELEMENTS,
        say!("there is no element preset `{value}`", "エレメントプリセット `{value}` はありません"),
    );
    let said = said.within(source).at(span);
    match presets.elements.nearest(value) {
        Some(near) => said.help(say!("did you mean `{near}`?", "`{near}` ではありませんか")),
        None => said
            .help(say!("`lbw preset list` shows the names", "`lbw preset list` で名前の一覧が出ます"))
            .help(where_presets_are()),
    }
}

/// How long a vector may be.
pub fn lengths() -> Text {
    say!(
        "vectors have 12 (SDXL), 17 (SD1), 20, 26 or 61 (Flux) entries",
        "ベクトルは 12 (SDXL)、17 (SD1)、20、26、61 (Flux) 個のどれかです"
    )
}

/// Whether vectors of `layout` say something about models of `family`: 26 entries are all blocks of any UNet.
fn fits(layout: Layout, family: Family) -> bool {
    family.layouts().contains(&layout) || (layout == Layout::Full26 && family.space() == Space::Unet)
}

/// A vector of another family.
pub fn foreign(vector: &Vector, family: Family, source: &Source) -> Option<Diagnostic> {
    let layout = vector.layout.filter(|layout| !fits(*layout, family))?;
    let [with_attention, all] = family.layouts();
    let label = vector.preset.map_or(Text::default(), |preset| {
        let file = &preset.origin.file;
        say!("preset from {file}", "{file} のプリセット")
    });
    let entries = layout.len();
    if family == Family::Flux {
        let message = say!(
            "weight vector has {entries} entries, this checkpoint is Flux (61)",
            "重みベクトルは {entries} 個ですが、このモデルは Flux (61 個) です"
        );
        let said = Diagnostic::new(code::UNET_VECTOR_ON_FLUX, message).within(source).label(vector.span.clone(), label);
        return Some(said.help(say!(
            "write 61 numbers: CLIP,T5,IN,D00..D18,S00..S37,OUT",
            "61 個の数値を書いてください: CLIP,T5,IN,D00..D18,S00..S37,OUT"
        )));
    }
    let (family_name, count, all_count) = (family.label(), with_attention.len(), all.len());
    let message = say!(
        "weight vector has {entries} entries, this checkpoint is {family_name} ({count} or {all_count})",
        "重みベクトルは {entries} 個ですが、このモデルは {family_name} ({count} 個か {all_count} 個) です"
    );
    let said = Diagnostic::new(code::FOREIGN_VECTOR, message).within(source).label(vector.span.clone(), label);
    let said = match misplaced(layout, with_attention, all) {
        Some(note) => said.note(note),
        None => said,
    };
    Some(match vector.preset.and_then(|preset| meaning(&preset.name, family)) {
        Some(name) => said.help(say!(
            "the {family_name} preset with this meaning is `{name}`",
            "同じ意味の {family_name} のプリセットは `{name}` です"
        )),
        None => {
            let blocks = names(with_attention).join(",");
            said.help(say!("write {count} numbers: {blocks}", "{count} 個の数値を書いてください: {blocks}"))
        }
    })
}

fn names(layout: Layout) -> Vec<&'static str> {
    (0..layout.len()).filter_map(|at| Some(layout.block(at)?.name())).collect()
}

/// Which blocks a vector of `layout` leaves at 0, and which of its blocks the family has not.
fn misplaced(layout: Layout, with_attention: Layout, all: Layout) -> Option<Text> {
    if layout.space() == Space::Flux {
        return Some(say!(
            "its first 26 numbers are taken for BASE, IN00..IN11, M00, OUT00..OUT11",
            "最初の 26 個が BASE、IN00..IN11、M00、OUT00..OUT11 として使われます"
        ));
    }
    let (own, here, exist) = (names(layout), names(with_attention), names(all));
    let missing: Vec<_> = here.into_iter().filter(|name| !own.contains(name)).collect();
    let surplus: Vec<_> = own.into_iter().filter(|name| !exist.contains(name)).collect();
    let (zero, absent) = (join(&missing), join(&surplus));
    match (missing.is_empty(), surplus.is_empty()) {
        (true, true) => None,
        (false, true) => Some(say!("{zero} get 0", "{zero} は 0 になります", with zero)),
        (true, false) => Some(say!("{absent} do not exist here", "{absent} はここにはありません", with absent)),
        (false, false) => Some(say!(
            "{zero} get 0; {absent} do not exist here",
            "{zero} は 0 になり、{absent} はここにはありません",
            with zero, absent
        )),
    }
}

/// `a, b and c`.
fn join(names: &[&str]) -> Text {
    let Some((last, first)) = names.split_last() else { return Text::default() };
    let (commas, last) = (first.join(", "), *last);
    match first {
        [] => say!("{last}", "{last}"),
        _ => say!("{commas} and {last}", "{commas}, {last}"),
    }
}

/// The preset for `family` that means what this one means for the other, by the resolution the blocks work at.
fn meaning(preset: &str, family: Family) -> Option<&'static str> {
    let pairs = [
        ("NONE", "XLNONE"),
        ("ALL", "XLALL"),
        ("ALL0.5", "XLALL0.5"),
        ("INS", "XLIN1"),
        ("IND", "XLIN2"),
        ("INALL", "XLIN"),
        ("OUTALL", "XLOUT"),
        ("OUTD", "XLOUT"),
        ("OUTS", "XLOUT2"),
    ];
    pairs.into_iter().find_map(|(sd1, sdxl)| match family {
        Family::Sdxl => (sd1 == preset).then_some(sdxl),
        Family::Sd1 | Family::Sd2 => (sdxl == preset).then_some(sd1),
        Family::Flux => None,
    })
}

/// All blocks are switched off by the vector.
pub fn zeros(vector: &Vector, source: &Source) -> Option<Diagnostic> {
    vector.blocks.iter().all(|weight| *weight == 0.0).then(|| {
        Diagnostic::new(
            code::ZERO_VECTOR,
            say!("a vector of zeros is not the same as strength 0", "すべて 0 のベクトルは強さ 0 と同じではありません"),
        )
        .within(source)
        .label(vector.span.clone(), say!("all 0", "すべて 0 です"))
        .note(say!(
            "time_embed, label_emb, out and the token embeddings belong to no block and keep ratio 1",
            "time_embed、label_emb、out、トークンの embedding はどのブロックにも属さず、倍率 1 のままです"
        ))
        .note(say!("for DoRA, ratio 0 still rescales the weights", "DoRA では倍率 0 でも重みが縮尺し直されます"))
        .help(say!(
            "remove the tag, or write `te=0:unet=0`, to switch the LoRA off",
            "LoRA を切るなら、タグを消すか `te=0:unet=0` と書いてください"
        ))
    })
}

/// Presets of a file that could not be used, whether or not a prompt does: entries that cannot be read, odd rules.
pub fn preset_file(file: &PresetFile) -> Vec<Diagnostic> {
    let mut found: Vec<_> = file.weights.iter().filter_map(broken_vector).collect();
    for preset in file.elements.iter() {
        // Rules do not say what family they are for: the one they fit better.
        let (unet, flux) = (rules(preset, Space::Unet), rules(preset, Space::Flux));
        found.extend(if flux.len() < unet.len() { flux } else { unet });
    }
    found
}

fn broken_vector(preset: &Preset) -> Option<Diagnostic> {
    let (range, error) = lora_tag::entries(&preset.value)
        .into_iter()
        .find_map(|range| Some((range.clone(), lora_tag::weight(&preset.value[range]).err()?)))?;
    let (entry, error) = (python::strip(&preset.value[range.clone()]), error.said());
    let name = &preset.name;
    Some(
        Diagnostic::new(
            code::BAD_VECTOR_ENTRY,
            say!(
                "the entry `{entry}` of `{name}` {error}",
                "`{name}` の項目 `{entry}` は{error}",
                with error
            ),
        )
        .within(&preset.source())
        .at(range)
        .help(say!("write a number, or R, U, X, X+d, X-d", "数値か R、U、X、X+d、X-d を書いてください")),
    )
}

/// Numbers nothing can be drawn with.
pub fn not_finite(network: &Network, tag: &Tag, source: &Source) -> Option<Diagnostic> {
    let weights = network.reading.iter().filter_map(|r| r.vector.as_ref()).flat_map(|v| &v.blocks);
    let mut numbers = [network.te, network.unet].into_iter().chain(weights.copied());
    numbers.find(|number| !number.is_finite()).map(|number| {
        let name = &network.name;
        let message = say!("a strength or weight of `{name}` is {number}", "`{name}` の強さか重みが {number} です");
        Diagnostic::new(code::NOT_FINITE, message)
            .within(source)
            .at(tag.span.clone())
            .help(say!("write a number of ordinary size", "ふつうの大きさの数値を書いてください"))
    })
}

/// Odd rules of an element preset, pointing into the preset.
pub fn rules(preset: &Preset, space: Space) -> Vec<Diagnostic> {
    let source = preset.source();
    element::parse(&preset.value, space).1.iter().map(|problem| rule(problem, &preset.name, &source, space)).collect()
}

fn blocks_help(name: &str, space: Space) -> Text {
    match did_you_mean(name, space.names().iter().copied()) {
        Some(near) => say!("did you mean {near}?", "{near} ではありませんか"),
        None => {
            let (first, second) = (space.names()[0], space.names()[1]);
            say!("blocks are {first}, {second} and so on", "ブロックは {first}、{second} などです")
        }
    }
}

fn rule(problem: &RuleProblem, preset: &str, source: &Source, space: Space) -> Diagnostic {
    let said = match &problem.kind {
        RuleProblemKind::UnknownBlock(name) => {
            let help = match element::meant(name, true, space) {
                Some(block) => say!("the block is called {block}", "ブロックの名前は {block} です"),
                None => blocks_help(name, space),
            };
            Diagnostic::new(
                code::UNKNOWN_BLOCK,
                say!(
                    "`{preset}` names the block `{name}`, which does not exist",
                    "`{preset}` のブロック `{name}` はありません"
                ),
            )
            .help(help)
        }
        RuleProblemKind::NoMatch { word, meant } => {
            let message =
                say!("`{word}` in `{preset}` matches nothing", "`{preset}` の `{word}` はどれにも一致しません");
            Diagnostic::new(code::WORD_MATCHES_NOTHING, message).help(match meant {
                Some(block) if space.names().contains(&block.as_str()) => {
                    say!("the block is called {block}", "ブロックの名前は {block} です")
                }
                Some(meant) => say!("write `{meant}`", "`{meant}` と書いてください"),
                None => blocks_help(word, space),
            })
        }
        RuleProblemKind::BadRatio(ratio) => Diagnostic::new(
            code::BAD_RATIO,
            say!(
                "the ratio `{ratio}` in `{preset}` is not a number",
                "`{preset}` の倍率 `{ratio}` は数値ではありません"
            ),
        )
        .help(say!("write a number such as 0.5", "0.5 のような数値を書いてください")),
        RuleProblemKind::Fields(count) => Diagnostic::new(
            code::BAD_RULE,
            say!(
                "a rule of `{preset}` has {count} fields and is ignored",
                "`{preset}` の規則の一つが {count} 項目なので無視されます"
            ),
        )
        .help(say!("write `blocks:elements:ratio`", "`blocks:elements:ratio` と書いてください")),
        RuleProblemKind::EmptyWord => Diagnostic::new(
            code::STRAY_SPACE,
            say!(
                "a space in `{preset}` makes this field match everything",
                "`{preset}` の空白のために、この項目がすべてに一致します"
            ),
        )
        .help(say!("remove the space", "空白を消してください")),
    };
    said.within(source).at(problem.span.clone())
}
