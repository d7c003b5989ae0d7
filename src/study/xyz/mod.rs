//! XYZ plots: up to three axes, a picture for every combination of their values, a grid for every z.
//!
//! Axes of block weights behave, and are labelled, as in the extension's plot ([`xyz_weights`]): they
//! vary what the name `XYZ` (and its complement `ZYX`) in a tag stands for. All others behave as in webui's X/Y/Z plot.
//! A cell is a prompt with settings and presets like any other, so it is drawn, recorded and repeated like any other.

mod axis;
mod tags;
#[cfg(test)]
mod tests;
mod values;

pub use axis::{Axis, AxisError, AxisType, Setting};

use super::grid::Labels;
use super::xyz_weights::{self, AxisKind, Run};
use crate::block::Layout;
use crate::diagnostic::{Said, Text};
use crate::plan;
use crate::preset::{Origin, Preset, PresetSet};
use crate::say;
use crate::syntax::Prompt;

/// A plot to be made.
pub struct Study<'a> {
    /// The picture that the axes vary.
    pub request: &'a plan::Request,
    /// What names in vectors stand for.
    pub presets: &'a PresetSet,
    /// What `XYZ` stands for before an axis changes it: a preset or a vector; without one the preset `XYZ`, or ones.
    pub base: Option<&'a str>,
    /// x, y, z.
    pub axes: &'a [Axis; 3],
    /// A repeated vector shows an earlier image, not always the right one, and ones are those of SD1.
    pub webui_quirks: bool,
}

/// The cells and their places.
#[derive(Debug, Clone, Default)]
pub struct Plot {
    /// The images, in the order they are made.
    pub runs: Vec<Run>,
    /// One for each value of z.
    pub grids: Vec<Grid>,
}

/// One picture of cells.
#[derive(Debug, Clone)]
pub struct Grid {
    /// What stands around the cells.
    pub labels: Labels,
    /// Indices of runs, row by row.
    pub cells: Vec<usize>,
}

/// Why a plot cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum Error {
    #[error(transparent)]
    Axis(#[from] AxisError),
    #[error(transparent)]
    Weights(#[from] xyz_weights::Error),
    NoPlace {
        example: Text,
    },
    NoPlaceForElements,
    Unpaired(&'static str),
    NotInExtension(&'static str),
    WhichLora(usize),
    NothingToReplace(String),
    Base(String),
}

impl Said for Error {
    fn said(&self) -> Text {
        match self {
            Error::Axis(error) => error.said(),
            Error::Weights(error) => error.said(),
            Error::NoPlace { example } => say!(
                "an axis varies block weights, but no LoRA tag says where they go: write lbw=XYZ{example}",
                "階層別の重みの軸がありますが、どの LoRA に掛けるかを示すタグがありません。lbw=XYZ と書いてください{example}",
                with example
            ),
            Error::NoPlaceForElements => say!(
                "an axis varies element rules, but no LoRA tag says where they go: write lbwe=XYZ into it",
                "要素別の指定の軸がありますが、どの LoRA に掛けるかを示すタグがありません。タグに lbwe=XYZ と書いてください"
            ),
            Error::Unpaired(axis) => say!(
                "a `{axis}` axis alone changes nothing: `Block ID` says where, `values` says what; both are needed",
                "`{axis}` の軸だけでは何も変わりません。どこをの `Block ID` と、いくつにの `values` の両方が必要です"
            ),
            Error::NotInExtension(axis) => say!(
                "--webui-quirks is about the extension's own plot, which has no axis `{axis}`",
                "--webui-quirks は拡張機能のプロットをまねるもので、そこに軸 `{axis}` はありません"
            ),
            Error::WhichLora(count) => say!(
                "which LoRA is `strength` about? The prompt has {count} LoRAs; write lbw=XYZ into the tag of one",
                "`strength` はどの LoRA の強度ですか。プロンプトに {count} 個あります。一つのタグに lbw=XYZ と書いてください"
            ),
            Error::NothingToReplace(text) => say!(
                "`{text}` is neither in the prompt nor in the negative prompt",
                "`{text}` はプロンプトにもネガティブプロンプトにもありません"
            ),
            Error::Base(text) => {
                let lengths = Layout::lengths();
                say!(
                    "`{text}` is not a preset, nor a vector of {lengths} weights",
                    "`{text}` はプリセットでも、{lengths} 個の重みのベクトルでもありません",
                    with lengths
                )
            }
        }
    }
}

/// The extension starts from ones for SD1.
const EXTENSION_ENTRIES: usize = 17;

impl Study<'_> {
    /// The cells and labels. `draw` gives a seed where an axis says −1.
    pub fn plot(&self, draw: &mut dyn FnMut() -> i64) -> Result<Plot, Error> {
        self.check()?;
        let mut values = [const { Vec::new() }; 3];
        for (values, axis) in values.iter_mut().zip(self.axes) {
            *values = axis.values.iter().map(|value| axis.label(value, draw)).collect();
        }
        let preset = |name: &str| self.presets.weights.get(name).map(|preset| preset.value.clone());
        let seed = self.request.settings.seed;
        let seed = i64::try_from(seed).map_err(|_| AxisError::Seed(seed.to_string()))?;
        let request = xyz_weights::Request {
            base: self.base()?,
            seed,
            title: if self.is_about_weights() { title(&self.request.prompt.text) } else { String::new() },
            axes: self.axes.each_ref().map(|axis| xyz_weights::Axis { kind: axis.kind.kind(), values: "" }),
            preset: &preset,
            webui_quirks: self.webui_quirks,
        };
        let plot = request.plot_values(&values, draw)?;
        let grid = |grid: xyz_weights::Grid| Grid {
            labels: Labels { columns: grid.x_labels, rows: grid.y_labels, corner: corner(&grid.origin) },
            cells: grid.cells,
        };
        Ok(Plot { runs: plot.runs, grids: plot.grids.into_iter().map(grid).collect() })
    }

    /// What a run draws: the request and the presets it is lowered with.
    pub fn cell(&self, run: &Run) -> Result<(plan::Request, PresetSet), Error> {
        let mut request = self.request.clone();
        let chosen = |axis: usize| self.axes[axis].values.get(run.at[axis]).map_or("", String::as_str);
        let settings = || (0..3).filter_map(|axis| Some((self.axes[axis].kind.setting()?, axis)));
        // Prompts first: what is put in may be a tag that another axis changes.
        for (_, axis) in settings().filter(|(setting, _)| *setting == Setting::PromptSr) {
            let searched = self.axes[axis].values.first().map_or("", String::as_str);
            replace(&mut request, searched, chosen(axis))?;
        }
        for (setting, axis) in settings() {
            setting.apply(chosen(axis), &mut request)?;
        }
        request.settings.seed = u64::try_from(run.seed).map_err(|_| AxisError::Seed(run.seed.to_string()))?;

        let mut presets = self.presets.clone();
        if self.is_about_weights() {
            for (name, value) in [("XYZ", &run.xyz), ("ZYX", &run.zyx)] {
                presets.weights.insert(made(name, value.clone()));
            }
            if let Some(rules) = &run.elements {
                let before = presets.elements.get("XYZ").map_or(String::new(), |known| format!("{},", known.value));
                presets.elements.insert(made("XYZ", before + rules));
            }
            // With the numbers in the tag, its infotext gives the same picture without the plot.
            for prompt in [&mut request.prompt, &mut request.hires_prompt] {
                tags::rewrite(prompt, |tag| tags::put_vectors(tag, &run.xyz, &run.zyx));
            }
        }
        Ok((request, presets))
    }

    fn kinds(&self) -> impl Iterator<Item = AxisKind> {
        self.axes.iter().map(|axis| axis.kind.kind())
    }

    /// Whether a tag names what the extension's axes vary. Other plots have nothing of the extension's.
    fn is_about_weights(&self) -> bool {
        self.names_plot("")
    }

    /// Whether an item of a tag that begins with `key` names the vector or the rules of the plot.
    fn names_plot(&self, key: &str) -> bool {
        let tags = Prompt::parse(&self.request.prompt.text).tags;
        let mut items = tags.iter().filter(|tag| tags::is_lora(tag)).flat_map(|tag| &tag.items);
        items.any(|item| item.text.starts_with(key) && tags::names_plot(&item.text))
    }

    fn check(&self) -> Result<(), Error> {
        let has = |kind| self.kinds().any(|k| k == kind);
        if (has(AxisKind::BlockId) || has(AxisKind::Values) || has(AxisKind::OriginalWeights))
            && !self.names_plot("lbw=")
            && !self.names_plot("w=")
        {
            return Err(Error::NoPlace { example: example(&self.request.prompt.text) });
        }
        if has(AxisKind::Elements) && !self.names_plot("lbwe=") {
            return Err(Error::NoPlaceForElements);
        }
        if self.webui_quirks {
            let foreign = self.axes.iter().find(|axis| axis.kind.setting().is_some());
            return foreign.map_or(Ok(()), |axis| Err(Error::NotInExtension(axis.kind.name())));
        }
        match (has(AxisKind::BlockId), has(AxisKind::Values)) {
            (true, false) => Err(Error::Unpaired("Block ID")),
            (false, true) => Err(Error::Unpaired("values")),
            _ => Ok(()),
        }
    }

    fn base(&self) -> Result<String, Error> {
        let Some(base) = self.base else {
            // Ones for every block: what XYZ stands for is the LoRA as it is until an axis changes it.
            let [_, all] = self.request.family.layouts();
            let ones = if self.webui_quirks { EXTENSION_ENTRIES } else { all.len() };
            let known = self.presets.weights.get("XYZ");
            return Ok(known.map_or_else(|| vec!["1"; ones].join(","), |preset| preset.value.clone()));
        };
        match self.presets.weights.get(base) {
            Some(preset) => Ok(preset.value.clone()),
            None if Layout::from_len(base.split(',').count()).is_some() => Ok(base.to_owned()),
            None => Err(Error::Base(base.to_owned())),
        }
    }
}

/// The names of the LoRAs whose tags have three items or more, run together, as the extension heads its grids.
pub fn title(prompt: &str) -> String {
    let tags = Prompt::parse(prompt).tags;
    tags.iter().filter(|tag| tag.items.len() >= 3).map(|tag| tag.items[0].text.as_str()).collect()
}

/// The extension's corner text without the separator that nothing follows or precedes.
fn corner(origin: &str) -> String {
    origin.strip_suffix(", ").unwrap_or(origin).trim_start_matches(", ").to_owned()
}

fn example(prompt: &str) -> Text {
    let tags = Prompt::parse(prompt).tags;
    let first = tags.iter().find(|tag| tags::is_lora(tag));
    first.map_or_else(Text::default, |tag| {
        let (kind, name) = (&tag.kind, &tag.items[0].text);
        say!(" as in <{kind}:{name}:1:lbw=XYZ>", " (例: <{kind}:{name}:1:lbw=XYZ>)")
    })
}

fn made(name: &str, value: String) -> Preset {
    Preset { name: name.to_owned(), value, origin: Origin { file: "the plot".into(), line: 1 } }
}

fn replace(request: &mut plan::Request, searched: &str, with: &str) -> Result<(), Error> {
    let (prompt, negative) = (&mut request.prompt, &mut request.negative_prompt);
    if !prompt.text.contains(searched) && !negative.text.contains(searched) {
        return Err(Error::NothingToReplace(searched.to_owned()));
    }
    prompt.text = prompt.text.replace(searched, with).into();
    negative.text = negative.text.replace(searched, with).into();
    Ok(())
}
