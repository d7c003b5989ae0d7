//! Findings about weight vectors and element rules.

use std::ops::Range;

use crate::block::{Family, Layout, Space};
use crate::diagnostic::{Diagnostic, Source, code, did_you_mean};
use crate::plan::argument::Vector;
use crate::plan::element::{self, RuleProblem, RuleProblemKind};
use crate::plan::network::Network;
use crate::preset::{Preset, PresetFile, PresetSet};
use crate::syntax::{Tag, lora_tag, python};

/// The value of `lbw=` is neither a preset nor a vector.
pub fn unknown_weights(value: &str, span: Range<usize>, source: &Source, presets: &PresetSet) -> Diagnostic {
    let entries = value.matches(',').count() + 1;
    if entries > 2 {
        let message = format!("a weight vector of {entries} entries does not exist");
        return Diagnostic::new(code::BAD_VECTOR_LENGTH, message)
            .within(source)
            .label(span, format!("{entries} entries"))
            .help("vectors have 12 (SDXL), 17 (SD1), 20, 26 or 61 (Flux) entries");
    }
    let said = Diagnostic::new(code::UNKNOWN_PRESET, format!("there is no preset `{value}`"))
        .within(source)
        .label(span, "not a preset and not a vector");
    match presets.weights.nearest(value) {
        Some(near) if near == value.trim() => said.help(format!("remove the spaces: `{near}`")),
        Some(near) => said.help(format!("did you mean `{near}`?")),
        None => said.help("`lbw preset list` shows the names"),
    }
}

pub fn unknown_elements(value: &str, span: Range<usize>, source: &Source, presets: &PresetSet) -> Diagnostic {
    let said = Diagnostic::new(code::UNKNOWN_ELEMENTS, format!("there is no element preset `{value}`"));
    let help = match presets.elements.nearest(value) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`lbw preset list` shows the names".to_owned(),
    };
    said.within(source).label(span, "").help(help)
}

/// Whether vectors of `layout` are made for `family`.
fn fits(layout: Layout, family: Family) -> bool {
    match family {
        Family::Sdxl => matches!(layout, Layout::Sdxl12 | Layout::Sdxl20 | Layout::Full26),
        Family::Sd1 | Family::Sd2 => matches!(layout, Layout::Sd17 | Layout::Full26),
        Family::Flux => layout == Layout::Flux61,
    }
}

/// The layouts people write for `family`: blocks with attention, all blocks.
fn layouts(family: Family) -> (Layout, Layout) {
    match family {
        Family::Sdxl => (Layout::Sdxl12, Layout::Sdxl20),
        Family::Sd1 | Family::Sd2 => (Layout::Sd17, Layout::Full26),
        Family::Flux => (Layout::Flux61, Layout::Flux61),
    }
}

/// A vector of another family.
pub fn foreign(vector: &Vector, family: Family, source: &Source) -> Option<Diagnostic> {
    let layout = vector.layout.filter(|layout| !fits(*layout, family))?;
    let (with_attention, all) = layouts(family);
    let label = vector.preset.map_or(String::new(), |preset| format!("preset from {}", preset.origin.file));
    let entries = layout.len();
    if family == Family::Flux {
        let message = format!("weight vector has {entries} entries, this checkpoint is Flux (61)");
        let said = Diagnostic::new(code::UNET_VECTOR_ON_FLUX, message).within(source).label(vector.span.clone(), label);
        return Some(said.help("write 61 numbers: CLIP,T5,IN,D00..D18,S00..S37,OUT"));
    }
    let counts = format!("{} or {}", with_attention.len(), all.len());
    let message = format!("weight vector has {entries} entries, this checkpoint is {} ({counts})", family.label());
    let said = Diagnostic::new(code::FOREIGN_VECTOR, message).within(source).label(vector.span.clone(), label);
    let said = match misplaced(layout, with_attention, all) {
        Some(note) => said.note(note),
        None => said,
    };
    Some(match vector.preset.and_then(|preset| meaning(&preset.name, family)) {
        Some(name) => said.help(format!("the {} preset with this meaning is `{name}`", family.label())),
        None => said.help(format!("write {} numbers: {}", with_attention.len(), names(with_attention).join(","))),
    })
}

fn names(layout: Layout) -> Vec<&'static str> {
    (0..layout.len()).filter_map(|at| Some(layout.block(at)?.name())).collect()
}

/// Which blocks a vector of `layout` leaves at 0, and which of its blocks the family has not.
fn misplaced(layout: Layout, with_attention: Layout, all: Layout) -> Option<String> {
    if layout.space() == Space::Flux {
        return Some("its first 26 numbers are taken for BASE, IN00..IN11, M00, OUT00..OUT11".to_owned());
    }
    let (own, here, exist) = (names(layout), names(with_attention), names(all));
    let missing: Vec<_> = here.into_iter().filter(|name| !own.contains(name)).collect();
    let surplus: Vec<_> = own.into_iter().filter(|name| !exist.contains(name)).collect();
    let mut said = Vec::new();
    if !missing.is_empty() {
        said.push(format!("{} get 0", join(&missing)));
    }
    if !surplus.is_empty() {
        said.push(format!("{} do not exist here", join(&surplus)));
    }
    (!said.is_empty()).then(|| said.join("; "))
}

/// `a, b and c`.
fn join(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The preset for SDXL that means what one of the extension's means for SD1, by the resolution the blocks work at.
fn meaning(preset: &str, family: Family) -> Option<&'static str> {
    let pairs = [
        ("NONE", "XLNONE"),
        ("ALL", "XLALL"),
        ("ALL0.5", "XLALL0.5"),
        ("INS", "XLIN1"),
        ("IND", "XLIN2"),
        ("INALL", "XLIN"),
        ("OUTD", "XLOUT"),
        ("OUTS", "XLOUT2"),
        ("OUTALL", "XLOUT"),
    ];
    pairs.into_iter().find(|(name, _)| family == Family::Sdxl && *name == preset).map(|(_, meaning)| meaning)
}

/// All blocks are switched off by the vector.
pub fn zeros(vector: &Vector, source: &Source) -> Option<Diagnostic> {
    vector.blocks.iter().all(|weight| *weight == 0.0).then(|| {
        Diagnostic::new(code::ZERO_VECTOR, "a vector of zeros is not the same as strength 0")
            .within(source)
            .label(vector.span.clone(), "all 0")
            .note("time_embed, label_emb, out and the token embeddings belong to no block and keep ratio 1")
            .note("for DoRA, ratio 0 still rescales the weights")
            .help("remove the tag, or write `te=0:unet=0`, to switch the LoRA off")
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
    let entry = python::strip(&preset.value[range.clone()]);
    Some(
        Diagnostic::new(code::BAD_VECTOR_ENTRY, format!("the entry `{entry}` of `{}` {error}", preset.name))
            .within(&preset.source())
            .label(range, "")
            .help("write a number, or R, U, X, X+d, X-d"),
    )
}

/// Numbers nothing can be drawn with.
pub fn not_finite(network: &Network, tag: &Tag, source: &Source) -> Option<Diagnostic> {
    let weights = network.reading.iter().filter_map(|r| r.vector.as_ref()).flat_map(|v| &v.blocks);
    let mut numbers = [network.te, network.unet].into_iter().chain(weights.copied());
    numbers.find(|number| !number.is_finite()).map(|number| {
        Diagnostic::new(code::NOT_FINITE, format!("a strength or weight of `{}` is {number}", network.name))
            .within(source)
            .label(tag.span.clone(), "")
            .help("write a number of ordinary size")
    })
}

/// Odd rules of an element preset, pointing into the preset.
pub fn rules(preset: &Preset, space: Space) -> Vec<Diagnostic> {
    let source = preset.source();
    element::parse(&preset.value, space).1.iter().map(|problem| rule(problem, &preset.name, &source, space)).collect()
}

fn rule(problem: &RuleProblem, preset: &str, source: &Source, space: Space) -> Diagnostic {
    let said = match &problem.kind {
        RuleProblemKind::UnknownBlock(name) => {
            let help = match did_you_mean(name, space.names().iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("blocks are {}, {} and so on", space.names()[0], space.names()[1]),
            };
            Diagnostic::new(code::UNKNOWN_BLOCK, format!("`{preset}` names the block `{name}`, which does not exist"))
                .help(help)
        }
        RuleProblemKind::BadRatio(ratio) => {
            Diagnostic::new(code::BAD_RATIO, format!("the ratio `{ratio}` in `{preset}` is not a number"))
                .help("write a number such as 0.5")
        }
        RuleProblemKind::Fields(count) => {
            Diagnostic::new(code::BAD_RULE, format!("a rule of `{preset}` has {count} fields and is ignored"))
                .help("write `blocks:elements:ratio`")
        }
        RuleProblemKind::EmptyWord => {
            Diagnostic::new(code::STRAY_SPACE, format!("a space in `{preset}` makes this field match everything"))
                .help("remove the space")
        }
    };
    said.within(source).label(problem.span.clone(), "")
}
