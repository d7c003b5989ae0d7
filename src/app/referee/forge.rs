//! Forge, reForge and Forge Neo: the extension changes the patches that their own loaders have made, and each time finds them in
//! another way.

use super::case::{Case, File, Module};
use super::readers::{leave_out, needs_loractl};
use super::{Program, Verdict};
use crate::diagnostic::{Diagnostic, Severity, code};
use crate::lora::Kind;
use crate::plan::argument::{self, BaseRule, Reading};
use crate::plan::draw::Draws;
use crate::plan::{Dialect, LoraPlan, OverTime, Window, element};
use crate::say;
use crate::syntax::Tag;

/// The most tensors without a place with which Forge still loads a file.
const FORGE_LIMIT: usize = 12;

/// What the loader makes of one tag: a file with its plain strengths.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Loaded {
    file: usize,
    te: f64,
    unet: f64,
}

/// What the extension reads in one tag, as a plan has it.
struct Asked {
    file: usize,
    plan: LoraPlan,
    /// Whether the strength is 0 until a step.
    starts_late: bool,
}

/// The two halves of a model, which are patched apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Text,
    Unet,
}

impl Half {
    const BOTH: [Half; 2] = [Half::Text, Half::Unet];

    fn has(self, module: &Module) -> bool {
        module.is_text() == (self == Half::Text)
    }

    fn is_in(self, file: &File) -> bool {
        match self {
            Half::Text => file.has_text(),
            Half::Unet => file.has_unet(),
        }
    }

    fn strength_of(self, loaded: &Loaded) -> f64 {
        match self {
            Half::Text => loaded.te,
            Half::Unet => loaded.unet,
        }
    }
}

impl Asked {
    /// The factor that the extension puts in a patch's place. A late start takes the text encoders' share for good.
    fn factor(&self, half: Half, module: &Module, case: &Case<'_>, keeps_text: bool) -> f64 {
        let strength = match half {
            Half::Text if self.starts_late && !keeps_text => 0.0,
            Half::Text => self.plan.te,
            Half::Unet => self.plan.unet,
        };
        strength * self.plan.ratio(case.family(), &module.name)
    }
}

/// Whether the extension changes patches of this kind; others it drops or leaves alone.
fn is_changed(module: &Module) -> bool {
    matches!(module.kind, Some(Kind::Lora | Kind::Locon | Kind::Loha | Kind::Lokr))
}

/// What the loader makes of each tag, and what the extension, where it acts, makes of the tags of each kind.
type Read = (Vec<Loaded>, Vec<Vec<Asked>>);

/// The tags as the loader and, kind by kind (`lora`, `lyco`), as the extension read them; refusals where they cannot be read.
fn read(case: &Case<'_>) -> Result<Read, Vec<Diagnostic>> {
    let lowered = case.lower(Dialect::Webui).diagnostics.into_iter();
    let refusals: Vec<_> = lowered.filter(|d| d.severity == Severity::Error).chain(needs_loractl(case)).collect();
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let loaded = case.tags.iter().filter_map(|tag| {
        let strengths = argument::webui(tag).ok()?;
        Some(Loaded { file: case.file_of(tag)?, te: strengths.te, unet: strengths.unet })
    });
    let mut draws = Draws::new(case.request.settings.seed);
    let mut kinds: Vec<&str> = case.tags.iter().map(|tag| tag.kind.as_str()).collect();
    kinds.dedup();
    let mut asked = Vec::new();
    for kind in kinds {
        let mut read = |tag: &Tag| argument::extension(tag, case.presets, BaseRule::Anywhere, &mut draws).ok();
        let readings: Vec<(usize, Reading<'_>)> = case
            .tags
            .iter()
            .filter(|tag| tag.kind == kind)
            .filter_map(|tag| Some((case.file_of(tag)?, read(tag)?)))
            .collect();
        if readings.iter().any(|(_, reading)| reading.acts()) {
            asked.push(readings.into_iter().map(|(file, reading)| of_reading(file, reading, case)).collect());
        }
    }
    Ok((loaded.collect(), asked))
}

fn of_reading(file: usize, reading: Reading<'_>, case: &Case<'_>) -> Asked {
    let space = case.family().space();
    let mut blocks = reading.vector.map_or(Vec::new(), |vector| vector.blocks);
    blocks.resize(space.names().len(), 1.0);
    let elements = reading.elements.map_or(Vec::new(), |preset| element::parse(&preset.value, space).0);
    let plan = LoraPlan {
        name: reading.name,
        hash: None,
        te: reading.te,
        unet: reading.unet,
        dyn_dim: None,
        blocks,
        elements,
        window: Window { start: reading.start, stop: reading.stop },
        over_time: OverTime::default(),
        source: String::new(),
    };
    Asked { file, plan, starts_late: reading.start.is_some_and(|start| start > 0) }
}

/// A verdict of plain strengths: each tag adds its own.
fn plain(case: &Case<'_>, loaded: &[Loaded]) -> Verdict {
    let factor = |at: usize, module: &Module| {
        let half = if module.is_text() { Half::Text } else { Half::Unet };
        loaded.iter().filter(|loaded| loaded.file == at).map(|loaded| half.strength_of(loaded)).sum()
    };
    let factors = |(at, file): (usize, &File)| file.modules.iter().map(|module| Some(factor(at, module))).collect();
    Verdict { factors: case.files.iter().enumerate().map(factors).collect(), ..Verdict::default() }
}

/// Files that a loader refuses as a whole.
fn refuse_files(
    verdict: &mut Verdict,
    case: &Case<'_>,
    program: &Program,
    is_refused: impl Fn(usize, usize) -> bool,
) -> Vec<usize> {
    let refused = |(at, file): (usize, &File)| {
        let (unmatched, all) = file.unmatched?;
        is_refused(unmatched, all).then_some((at, unmatched))
    };
    let refused: Vec<_> = case.files.iter().enumerate().filter_map(refused).collect();
    for (at, unmatched) in &refused {
        let (name, lora) = (program.name, &case.files[*at].name);
        let message = say!(
            "{name} loads nothing of `{lora}`: it has no place for {unmatched} of its tensors",
            "{name} は `{lora}` をまったく読み込みません: 置き場のないテンソルが {unmatched} 個あります"
        );
        verdict.remarks.push(case.at(*at, Diagnostic::new(code::REFEREE_DROPPED, message)));
        verdict.factors[*at].iter_mut().for_each(|factor| *factor = Some(0.0));
    }
    refused.into_iter().map(|(at, _)| at).collect()
}

/// Forge keeps the patches of each LoRA together, and the extension takes tag n for the nth LoRA that has any, in the UNet and in the
/// text encoders apart.
pub(super) fn forge(case: &Case<'_>, program: &Program) -> Verdict {
    let (loaded, asked) = match read(case) {
        Ok(read) => read,
        Err(refusals) => return Verdict { refusals, ..Verdict::default() },
    };
    let mut verdict = plain(case, &loaded);
    let absent = refuse_files(&mut verdict, case, program, |unmatched, _| unmatched > FORGE_LIMIT);
    for half in Half::BOTH {
        let mut patched: Vec<Loaded> = Vec::new();
        for one in loaded.iter().filter(|one| half.is_in(&case.files[one.file]) && !absent.contains(&one.file)) {
            // The same file with the same strength is the same entry.
            let is_same = |other: &Loaded| other.file == one.file && half.strength_of(other) == half.strength_of(one);
            if !patched.iter().any(is_same) {
                patched.push(*one);
            }
        }
        let mut by: Vec<Option<&Asked>> = vec![None; patched.len()];
        for asked in &asked {
            by.iter_mut().zip(asked).for_each(|(by, asked)| *by = Some(asked));
        }
        for (file, factors) in verdict.factors.iter_mut().enumerate().filter(|(file, _)| !absent.contains(file)) {
            for (module, factor) in case.files[file].modules.iter().zip(factors).filter(|(m, _)| half.has(m)) {
                let entries = patched.iter().zip(&by).filter(|(loaded, _)| loaded.file == file);
                *factor = Some(entries.fold(0.0, |sum, (loaded, by)| {
                    sum + match by {
                        None => half.strength_of(loaded),
                        Some(asked) if is_changed(module) => asked.factor(half, module, case, false),
                        // What is of another kind is not put back.
                        Some(_) => 0.0,
                    }
                }));
            }
        }
        for (loaded, by) in patched.iter().zip(&by) {
            let Some(asked) = by.filter(|asked| asked.file != loaded.file) else { continue };
            verdict.remarks.push(wrong_lora(case, program, half, asked.file, loaded.file));
        }
    }
    late_starts(&mut verdict, case, program, &asked);
    dropped_kinds(&mut verdict, case, program, !asked.is_empty());
    verdict
}

/// reForge keeps patches by module, and the extension takes tag n for the nth LoRA that changes a module.
pub(super) fn reforge(case: &Case<'_>, program: &Program) -> Verdict {
    let (loaded, asked) = match read(case) {
        Ok(read) => read,
        Err(refusals) => return Verdict { refusals, ..Verdict::default() },
    };
    let mut verdict = plain(case, &loaded);
    let place = |file: usize, name: &str| case.files[file].modules.iter().position(|module| module.name == name);
    let mut wrong = Vec::new();
    for (file, one) in case.files.iter().enumerate().filter(|_| !asked.is_empty()) {
        for (at, module) in one.modules.iter().enumerate() {
            let half = if module.is_text() { Half::Text } else { Half::Unet };
            // The patches of this module, in the order in which the LoRAs were loaded; other kinds are not put back.
            let is_here = |loaded: &&Loaded| {
                place(loaded.file, &module.name).is_some_and(|at| is_changed(&case.files[loaded.file].modules[at]))
            };
            let mut patches: Vec<(usize, f64)> =
                loaded.iter().filter(is_here).map(|l| (l.file, half.strength_of(l))).collect();
            for asked in &asked {
                patches.truncate(asked.len());
                for ((owner, factor), asked) in patches.iter_mut().zip(asked) {
                    *factor = asked.factor(half, module, case, true);
                    if *owner == file && asked.file != file {
                        wrong.push((half, asked.file, file));
                    }
                }
            }
            let own = patches.iter().filter(|(owner, _)| *owner == file).map(|(_, factor)| factor);
            verdict.factors[file][at] = Some(own.sum());
        }
    }
    let mut told = Vec::new();
    for (half, from, to) in wrong {
        if !told.contains(&(half, from, to)) {
            told.push((half, from, to));
            verdict.remarks.push(wrong_lora(case, program, half, from, to));
        }
    }
    dropped_kinds(&mut verdict, case, program, !asked.is_empty());
    verdict
}

/// Forge Neo's patches are marked with their file, and the extension finds them by its name.
pub(super) fn neo(case: &Case<'_>, program: &Program) -> Verdict {
    let (loaded, asked) = match read(case) {
        Ok(read) => read,
        Err(refusals) => return Verdict { refusals, ..Verdict::default() },
    };
    let mut verdict = plain(case, &loaded);
    let absent = refuse_files(&mut verdict, case, program, |unmatched, all| 2 * unmatched > all);
    for (file, factors) in verdict.factors.iter_mut().enumerate().filter(|(file, _)| !absent.contains(file)) {
        let times = loaded.iter().filter(|loaded| loaded.file == file).count();
        let by = asked.iter().flatten().rfind(|asked| asked.file == file);
        for (module, factor) in case.files[file].modules.iter().zip(factors) {
            let half = if module.is_text() { Half::Text } else { Half::Unet };
            if let Some(asked) = by.filter(|_| is_changed(module)) {
                *factor = Some(asked.factor(half, module, case, false) * times as f64);
            }
        }
    }
    late_starts(&mut verdict, case, program, &asked);
    let others = |file: &File| file.modules.iter().filter(|m| !is_changed(m) && m.kind != Some(Kind::Ia3)).count();
    for (at, file) in case.files.iter().enumerate().filter(|_| !asked.is_empty()) {
        if let count @ 1.. = others(file) {
            let (name, lora) = (program.name, &file.name);
            let message = say!(
                "in {name} no weight reaches {count} modules of `{lora}`: the extension changes LoRA, LoHa and LoKr alone",
                "{name} では `{lora}` の {count} 個のモジュールに重みが届きません: 拡張機能が変えるのは LoRA、LoHa、LoKr だけです"
            );
            verdict.remarks.push(case.at(at, Diagnostic::new(code::REFEREE_DROPPED, message)));
        }
    }
    leave_out(
        &mut verdict,
        case,
        program,
        |module| module.kind == Some(Kind::Ia3),
        || say!("its loader does not know this kind", "読み込めない種類のため"),
    );
    if !asked.is_empty() {
        let name = program.name;
        let message = say!(
            "{name} with the extension of 2025 applies no block weights at all: it was taken for webui",
            "{name} では 2025 年までの拡張機能は階層別の重みをまったく適用しません (webui と見なされるため)"
        );
        verdict.remarks.push(Diagnostic::new(code::REFEREE_VERSION, message));
    }
    verdict
}

/// Tags that start late lose the text encoders for the whole run: what is set before they are encoded is 0.
fn late_starts(verdict: &mut Verdict, case: &Case<'_>, program: &Program, asked: &[Vec<Asked>]) {
    for asked in asked.iter().flatten().filter(|a| a.starts_late && case.files[a.file].has_text()) {
        let (name, lora) = (program.name, &case.files[asked.file].name);
        let message = say!(
            "with `start=` {name} takes `{lora}` out of the text encoders for the whole run",
            "`start=` があると、{name} は `{lora}` をテキストエンコーダーから最後まで外します"
        );
        verdict.remarks.push(case.at(asked.file, Diagnostic::new(code::REFEREE_TIME, message)));
    }
}

/// Kinds that the loader does not know, and those that the extension loses where it acts.
fn dropped_kinds(verdict: &mut Verdict, case: &Case<'_>, program: &Program, acts: bool) {
    let unknown = [Kind::Ia3, Kind::Oft, Kind::Boft];
    let is_unknown = move |module: &Module| module.kind.is_some_and(|kind| unknown.contains(&kind));
    leave_out(verdict, case, program, is_unknown, || {
        say!("its loader does not know this kind", "読み込めない種類のため")
    });
    if acts {
        leave_out(
            verdict,
            case,
            program,
            |module| !is_changed(module) && !is_unknown(module),
            || {
                say!(
                    "the extension puts back LoRA, LoHa and LoKr alone",
                    "拡張機能が戻すのは LoRA、LoHa、LoKr だけのため"
                )
            },
        );
    }
}

fn wrong_lora(case: &Case<'_>, program: &Program, half: Half, from: usize, to: usize) -> Diagnostic {
    let (name, from_lora, to_lora) = (program.name, &case.files[from].name, &case.files[to].name);
    let part = match half {
        Half::Text => say!("text encoders", "テキストエンコーダー"),
        Half::Unet => say!("UNet", "UNet"),
    };
    let message = say!(
        "in {name} the weights of `{from_lora}` go to `{to_lora}` ({part}): they are told apart by their number alone",
        "{name} では `{from_lora}` の重みが `{to_lora}` に使われます ({part}): 順番だけで見分けているためです",
        with part
    );
    let found = case.at(from, Diagnostic::new(code::REFEREE_WRONG_LORA, message));
    found.help(say!(
        "write LoRAs that lack a part (text encoders, blocks) behind those that have it",
        "テキストエンコーダーやブロックの欠けた LoRA を、そろっている LoRA の後ろに書いてください"
    ))
}
