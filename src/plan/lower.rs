//! From a prompt to a plan.
//!
//! Lowering collects every finding and never stops at the first. With an error among them there is no plan.

use std::collections::HashSet;

use super::argument::{ArgumentError, BaseRule, Vector};
use super::draw::Draws;
use super::network::{self, Network, Networks};
use super::over_time::{OverTime, WeightsOverTime};
use super::{
    Hires, LoraPlan, Part, Pass, Piece, Plan, Request, Schedule, Segment, Start, Window, check, dialect, element,
};
use crate::diagnostic::{Code, Diagnostic, FINDINGS_LIMIT, Severity, Source, at_most, code, has_errors};
use crate::files::limits::{PROMPT, PROMPT_OF_ALL_STEPS};
use crate::preset::{Preset, PresetSet};
use crate::say;
use crate::syntax::schedule::{self, LayoutError, Timeline};
use crate::syntax::{Mapped, Prompt, Tag, attention, composition};

/// A plan, unless there is an error, and everything found on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Lowering {
    pub plan: Option<Plan>,
    pub diagnostics: Vec<Diagnostic>,
}

/// Resolves a request to numbers.
///
/// ```
/// use lbw::plan::{Request, lower};
/// use lbw::preset::PresetSet;
/// let lowering = lower(&Request::new("1girl, <lora:flat2:0.8:lbw=XLMID>", ""), PresetSet::builtin());
/// let plan = lowering.plan.unwrap();
/// let lora = &plan.first.loras[0];
/// assert_eq!((lora.unet, lora.blocks[13], lora.blocks[14]), (0.8, 1.0, 0.0));
/// ```
pub fn lower(request: &Request, presets: &PresetSet) -> Lowering {
    lower_with_files(request, presets, &|_| None)
}

/// The names of a LoRA's modules, where its file is known.
type Modules<'a> = &'a dyn Fn(&str) -> Option<Vec<String>>;

/// [`lower`] for LoRAs whose modules are known by name: the Inspire dialect gives weights to the blocks a LoRA has.
pub fn lower_with_files(request: &Request, presets: &PresetSet, modules: Modules<'_>) -> Lowering {
    let mut found = Vec::new();
    for source in [&request.prompt, &request.negative_prompt, &request.hires_prompt, &request.hires_negative_prompt] {
        if source.text.len() > PROMPT {
            let (name, kib) = (&source.name, PROMPT >> 10);
            let message = say!("the {name} is larger than {kib} KiB", "{name} が {kib} KiB を超えています");
            found.push(Diagnostic::new(code::TOO_LARGE, message).help(say!("shorten it", "短くしてください")));
        }
    }
    if has_errors(&found) {
        return Lowering { plan: None, diagnostics: found };
    }
    let timeline = Timeline::first_pass(request.settings.schedule_steps(), request.settings.old_prompt_editing);
    let lowering = OnePass { request, presets, modules, timeline };
    let mut first = lowering.lower(&mut found);
    let later = request.hires.iter().map(|hires| lowering.second(hires, &mut found)).collect();
    if let Some(hires) = &request.hires {
        first.settings = hires.settings_of_first(&first.settings);
    }
    let plan = (!has_errors(&found)).then_some(Plan { family: request.family, first, later });
    Lowering { plan, diagnostics: at_most(found, FINDINGS_LIMIT) }
}

/// What one pass is lowered from.
struct OnePass<'a> {
    request: &'a Request,
    presets: &'a PresetSet,
    modules: Modules<'a>,
    timeline: Timeline,
}

impl OnePass<'_> {
    fn lower(&self, found: &mut Vec<Diagnostic>) -> Pass {
        let OnePass { request, presets, modules, timeline } = *self;
        Lower { request, presets, modules, timeline, found, told: HashSet::new(), space: PROMPT_OF_ALL_STEPS }.pass()
    }

    /// The second pass is lowered like an image of its own, on its own timeline.
    fn second(&self, hires: &Hires, found: &mut Vec<Diagnostic>) -> Pass {
        let first = self.request;
        let own = |hires: &Source| !hires.text.is_empty();
        let or_first = |hires: &Source, first: &Source| if own(hires) { hires.clone() } else { first.clone() };
        let second = Request {
            prompt: or_first(&first.hires_prompt, &first.prompt),
            negative_prompt: or_first(&first.hires_negative_prompt, &first.negative_prompt),
            settings: hires.settings_of(&first.settings),
            start: hires.start(&first.settings),
            ..first.clone()
        };
        let steps = [first.settings.schedule_steps(), second.settings.schedule_steps()];
        let timeline = Timeline::hires_pass(steps[0], steps[1], first.settings.old_prompt_editing);
        let mut said = Vec::new();
        let pass = OnePass { request: &second, timeline, ..*self }.lower(&mut said);
        // All there is to say about a prompt of both passes was said at the first; its edits are over in the second.
        let is_own = own(&first.hires_prompt) || own(&first.hires_negative_prompt);
        said.retain(|d| (is_own || d.severity == Severity::Error) && !found.contains(d));
        found.extend(said);
        pass
    }
}

/// Reads the networks of a prompt's tags and says what is odd about them. An empty list where there is an error.
fn lower_networks<'p>(
    prompt: &Prompt,
    request: &Request,
    presets: &'p PresetSet,
    modules: Modules<'_>,
    found: &mut Vec<Diagnostic>,
) -> (Networks<'p>, Draws) {
    let dialect = request.settings.lbw_dialect;
    let mut places = HashSet::new();
    let mut say = |errors: &[ArgumentError]| {
        // Both readers trip over the same number.
        let fresh = errors.iter().filter(|error| places.insert(error.span.clone()));
        found.extend(fresh.map(|error| check::argument_error(error, &request.prompt, presets)));
    };
    let mut draws = Draws::new(request.settings.seed);
    if dialect.is_webui() {
        let mut networks = load(&prompt.tags, &mut say);
        say(&network::edit(&mut networks, &prompt.tags, presets, BaseRule::Anywhere, &mut draws));
        (networks, draws)
    } else {
        let plain: Vec<Tag> = prompt.tags.iter().map(|tag| dialect::plain(tag, dialect)).collect();
        let mut networks = load(&plain, &mut say);
        let context = dialect::Context { dialect, family: request.family, presets, modules };
        say(&dialect::edit(&mut networks, &prompt.tags, context, &mut draws));
        (networks, draws)
    }
}

fn load(tags: &[Tag], say: &mut impl FnMut(&[ArgumentError])) -> Networks<'static> {
    network::load(tags).unwrap_or_else(|errors| {
        say(&errors);
        Networks::default()
    })
}

struct Lower<'a> {
    request: &'a Request,
    presets: &'a PresetSet,
    modules: Modules<'a>,
    timeline: Timeline,
    found: &'a mut Vec<Diagnostic>,
    /// Places in texts that have been spoken about: each is read again for every step.
    told: HashSet<(Code, usize)>,
    /// Bytes that the texts of all steps may still take.
    space: usize,
}

impl Lower<'_> {
    fn pass(&mut self) -> Pass {
        let prompt = self.read(&self.request.prompt);
        let negative = self.read(&self.request.negative_prompt);
        let (loras, drawn) = self.loras(&prompt);
        let parts = composition::parse(&prompt.body);
        let has_loras = !network::lora_tags(&prompt.tags).is_empty();
        self.found.extend(check::composition(&parts, has_loras, &self.request.prompt));
        let positive = parts
            .iter()
            .map(|part| Part {
                weight: part.weight,
                schedule: self.schedule(&part.text, &self.request.prompt, &prompt.tags),
            })
            .collect();
        self.found.extend(check::negative_tags(&negative, &self.request.negative_prompt));
        self.found.extend(check::prose(&prompt.body, &self.request.prompt));
        self.found.extend(check::prose(&negative.shown, &self.request.negative_prompt));
        self.found.extend(check::empty(&prompt, self.request));
        Pass {
            start: self.request.start.clone(),
            prompt: prompt.shown.text().to_owned(),
            negative_prompt: negative.shown.text().to_owned(),
            positive,
            negative: self.negative(&negative),
            loras,
            drawn,
            settings: self.request.settings.clone(),
        }
    }

    fn read(&self, source: &Source) -> Prompt {
        if self.request.options.comments {
            Prompt::parse(&source.text)
        } else {
            Prompt::parse_with_comments(&source.text)
        }
    }

    /// The negative prompt, in which tags are text. Nothing, where it is empty at every step: its conditioning is zero then.
    fn negative(&mut self, prompt: &Prompt) -> Schedule {
        let source = &self.request.negative_prompt;
        let texts = self.texts(&prompt.shown, source, &[]);
        if texts.iter().all(|(_, text)| text.text().is_empty()) {
            return Vec::new();
        }
        texts.into_iter().map(|(last_step, text)| self.segment(last_step, &text, source)).collect()
    }

    fn schedule(&mut self, text: &Mapped, source: &Source, tags: &[Tag]) -> Schedule {
        let texts = self.texts(text, source, tags);
        texts.into_iter().map(|(last_step, text)| self.segment(last_step, &text, source)).collect()
    }

    /// The texts over the steps.
    fn texts(&mut self, text: &Mapped, source: &Source, tags: &[Tag]) -> Vec<(u32, Mapped)> {
        let schedule = schedule::parse(text);
        let (settings, timeline) = (&self.request.settings, self.timeline);
        let is_last = self.request.hires.is_none();
        self.found.extend(check::schedule(&schedule, text, source, tags, settings, timeline, is_last));
        match schedule.lay_out(text, timeline, self.space) {
            Ok(texts) => {
                let size = texts.iter().map(|(_, text)| text.size()).sum();
                self.space = self.space.saturating_sub(size);
                texts
            }
            Err(error) => {
                self.found.push(layout_error(&error, source));
                Vec::new()
            }
        }
    }

    fn segment(&mut self, last_step: u32, text: &Mapped, source: &Source) -> Segment {
        if self.request.settings.emphasis == super::Emphasis::None {
            return Segment { last_step, pieces: vec![Piece { text: text.text().to_owned(), weight: 1.0 }] };
        }
        let read = attention::parse(text.text());
        for said in check::attention(&read.oddities, text, source) {
            if self.told.insert((said.code, said.labels.first().map_or(0, |l| l.span.start))) {
                self.found.push(said);
            }
        }
        Segment { last_step, pieces: read.pieces }
    }

    fn loras(&mut self, prompt: &Prompt) -> (Vec<LoraPlan>, Vec<f64>) {
        let (networks, draws) = lower_networks(prompt, self.request, self.presets, self.modules, self.found);
        self.found.extend(check::tags(prompt, &networks, self.request, self.presets));
        let mut times = vec![0; networks.files.len()];
        networks.list.iter().for_each(|at| times[*at] += 1);
        let files = networks.files.iter().zip(times);
        let loras = files.map(|(file, times)| self.lora(file, f64::from(times), &networks)).collect();
        (loras, draws.into_drawn())
    }

    /// One file. Named several times it is applied several times, which for the kinds of LoRA that are linear is the same
    /// as once with strengths that many times larger.
    fn lora(&self, file: &Network, times: f64, networks: &Networks) -> LoraPlan {
        let space = self.request.family.space();
        let start = networks.starts.get(&file.name);
        let window = Window { start: start.map(|(step, ..)| *step), stop: networks.stops.get(&file.name).copied() };
        // A start sets its own tag's strength, and it fires before the UNet is first called or the LoRA is off until then.
        let (mut te, mut unet) = (file.te, start.map_or(file.unet, |(_, _, unet)| *unet));
        let (steps, mut over_time) = (self.request.start.steps(self.request.settings.steps), OverTime::default());
        if let Some(strengths) = &file.over_time {
            let (of_text, of_unet) = strengths.of_pass(matches!(self.request.start, Start::Previous { .. }));
            (te, unet) = (of_text.first(), of_unet.first());
            over_time.unet = of_unet.plan(steps, times);
        }
        let vector = file.reading.as_ref().and_then(|r| r.vector.as_ref());
        let elements = file.reading.as_ref().and_then(|r| r.elements);
        let mut blocks = vector.map_or(Vec::new(), |v| v.blocks.clone());
        // The first numbers of a Flux vector are taken for a UNet's blocks; a UNet vector on Flux has been refused.
        blocks.resize(space.names().len(), 1.0);
        if let Some(weights) = vector.and_then(|v| v.over_time.as_ref()) {
            over_time.blocks = weights.plan(steps);
            blocks = over_time.blocks_at(0.0).unwrap_or(blocks);
        }
        LoraPlan {
            name: file.name.clone(),
            hash: None,
            te: te * times,
            unet: unet * times,
            dyn_dim: file.dyn_dim,
            blocks,
            elements: {
                let rules = vector.map_or(Vec::new(), |v| v.rules.clone());
                let own = elements.map_or(Vec::new(), |preset| element::parse(&preset.value, space).0);
                rules.into_iter().chain(own).collect()
            },
            window,
            over_time,
            source: self.source(vector, elements),
        }
    }

    /// Where block weights and element rules come from.
    fn source(&self, vector: Option<&Vector>, elements: Option<&Preset>) -> String {
        let of = |preset: &Preset| format!("{} ({})", preset.name, preset.origin);
        let mut source = match vector.map(|v| (v.preset, &v.over_time)) {
            Some((_, Some(WeightsOverTime::Frames { source, .. }))) => source.clone(),
            Some((Some(preset), _)) => of(preset),
            Some((None, _)) => "tag".to_owned(),
            None => String::new(),
        };
        let dialect = self.request.settings.lbw_dialect;
        if vector.is_some() && !dialect.is_webui() {
            source += &format!(", read as {}", dialect.tool());
        }
        if let Some(preset) = elements {
            let comma = if source.is_empty() { "" } else { ", " };
            source += &format!("{comma}element rules from {}", of(preset));
        }
        source
    }
}

fn layout_error(error: &LayoutError, source: &Source) -> Diagnostic {
    match error {
        LayoutError::StepOverflow(span) => {
            Diagnostic::new(code::STEP_OVERFLOW, say!("the step number is too large", "ステップ数が大きすぎます"))
                .within(source)
                .at(span.clone())
                .help(say!(
                    "write a step number, or a fraction of all steps such as 0.5",
                    "ステップ数か、0.5 のような全ステップに対する割合を書いてください"
                ))
        }
        LayoutError::TooLarge => {
            let mib = PROMPT_OF_ALL_STEPS >> 20;
            let message = say!(
                "the texts of all steps together are larger than {mib} MiB",
                "全ステップの文が合わせて {mib} MiB を超えています"
            );
            Diagnostic::new(code::TOO_LARGE, message)
                .within(source)
                .help(say!("use a shorter prompt or fewer steps", "プロンプトを短くするか、ステップを減らしてください"))
        }
    }
}
