//! What a plan may ask for.

use super::settings::table;
use super::{HiresUpscaler, LoraPlan, Pass, Plan, Setting, Settings, Start, Tiles, Wanted};
use crate::block::Family;
use crate::diagnostic::{Diagnostic, Said, Text, code};
use crate::say;

/// Texts over all steps of a prompt and its parts.
const MAX_SEGMENTS: usize = 20_000;
/// Passes of a plan.
const MAX_PASSES: usize = 8;

/// Something that cannot be drawn, or would take all memory.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitError {
    /// What is too large or too small.
    pub what: Text,
    /// Its value.
    pub value: String,
    /// What it must be.
    pub rule: Text,
    /// The nearest value that can be drawn.
    pub nearest: Option<u32>,
}

impl LimitError {
    fn new(what: Text, value: impl ToString, rule: Text) -> Self {
        LimitError { what, value: value.to_string(), rule, nearest: None }
    }

    /// The finding, with what to write instead.
    pub fn diagnostic(&self) -> Diagnostic {
        let found = Diagnostic::new(code::OUT_OF_LIMITS, self.said());
        match self.nearest {
            Some(nearest) => found.help(say!("the nearest is {nearest}", "最も近いのは {nearest} です")),
            None => found,
        }
    }
}

impl Said for LimitError {
    fn said(&self) -> Text {
        let (what, value, rule) = (&self.what, &self.value, &self.rule);
        say!("{what} is {value}; {rule}", "{what}が {value} です。{rule}", with what, rule)
    }
}

impl std::fmt::Display for LimitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.said())
    }
}

impl std::error::Error for LimitError {}

/// Everything about `plan` that cannot be run or would take all memory, which needs no model to be seen.
pub fn limits(plan: &Plan) -> Vec<LimitError> {
    let mut found = Vec::new();
    let texts: usize = plan.passes().map(texts).sum();
    if texts > MAX_SEGMENTS {
        let rule = say!("at most {MAX_SEGMENTS} are allowed", "{MAX_SEGMENTS} までです");
        found.push(LimitError::new(say!("the number of texts over the steps", "ステップごとの文の数"), texts, rule));
    }
    if plan.later.len() >= MAX_PASSES {
        let rule = say!("at most {MAX_PASSES} are allowed", "{MAX_PASSES} までです");
        found.push(LimitError::new(say!("the number of passes", "パスの数"), plan.later.len() + 1, rule));
    }
    for (number, pass) in plan.passes().enumerate() {
        of_pass(pass, number, &mut found);
        found.extend(pass.loras.iter().filter_map(|lora| of_lora(lora, plan.family)));
    }
    if !matches!(plan.first.start, Start::Noise | Start::Picture { .. }) {
        let rule = say!("the first one starts from noise or from a picture", "最初のパスはノイズか画像から始まります");
        found.push(LimitError::new(say!("the start of the first pass", "最初のパスの始まり"), "previous", rule));
    }
    found
}

/// A plan of somebody else's may have any number of weights.
fn of_lora(lora: &LoraPlan, family: Family) -> Option<LimitError> {
    let expected = family.space().names().len();
    let wrong = lora.weights().map(<[f64]>::len).find(|count| *count != expected)?;
    let name = &lora.name;
    let what = say!("the number of block weights of `{name}`", "`{name}` のブロックの重みの数");
    Some(LimitError::new(what, wrong, say!("it must be {expected}", "{expected} 個にしてください")))
}

fn texts(pass: &Pass) -> usize {
    pass.positive.iter().map(|part| part.schedule.len()).sum::<usize>() + pass.negative.len()
}

fn of_pass(pass: &Pass, number: usize, found: &mut Vec<LimitError>) {
    if pass.positive.is_empty() || pass.positive.iter().any(|part| part.schedule.is_empty()) {
        let rule = say!("a pass has at least one part with one text", "パスには少なくとも一つの文が要ります");
        found.push(LimitError::new(say!("the prompt", "プロンプト"), "empty", rule));
    }
    let wanted = Wanted { settings: pass.settings.clone(), ..Wanted::default() };
    let is_enlarged = matches!(pass.start, Start::Previous { .. });
    for setting in table::of_a_pass() {
        // What is enlarged need not be whole eighths.
        let multiple = if is_enlarged { 1 } else { setting.multiple };
        found.extend(of_setting(setting, (setting.get)(&wanted).as_f64(), multiple, number));
    }
    let Settings { width, height, .. } = pass.settings;
    let resize_from = [pass.settings.seed_resize_from_width, pass.settings.seed_resize_from_height];
    if let Some(side) = resize_from.into_iter().find(|side| (1..8).contains(side)) {
        let rule = say!("it must be 0 or at least 8", "0 か 8 以上にしてください");
        found.push(LimitError::new(say!("a side of the seed resize", "シードのリサイズ元の辺"), side, rule));
    }
    if let Start::Previous { cut: [x, y], .. } = pass.start
        && (width / 8 <= x || height / 8 <= y)
        && width.min(height) >= 8
    {
        let rule = say!("nothing would be left of the picture", "画像が残りません");
        found.push(LimitError::new(
            say!("what the second pass cuts off", "第 2 パスで切り落とす量"),
            format!("{x}×{y}"),
            rule,
        ));
    }
    if let Start::Previous { upscaler: HiresUpscaler::Pixel(_), tiles: Tiles { tile, overlap }, .. } = pass.start
        && tile > 0
        && overlap >= tile
    {
        let rule = say!("it must be less than the tile, {tile}", "タイルの {tile} より小さくしてください");
        found.push(LimitError::new(
            say!("the overlap of the upscaler's tiles", "アップスケーラーのタイルの重なり"),
            overlap,
            rule,
        ));
    }
    if let Start::Picture { noise_multiplier, .. } = &pass.start
        && !noise_multiplier.is_finite()
    {
        found.push(not_finite(say!("the noise multiplier", "ノイズの倍率"), *noise_multiplier));
    }
    if let Start::Picture { mask: Some(mask), .. } = &pass.start {
        let widest = mask.blur.into_iter().max().filter(|blur| *blur > table::MAX_BLUR);
        found.extend(widest.map(|blur| {
            let most = table::MAX_BLUR;
            let rule = say!("it must be from 0 to {most}", "0〜{most} にしてください");
            LimitError::new(say!("the mask blur", "マスクのぼかし"), blur, rule)
        }));
    }
    if let Some(strength) = pass.start.denoising_strength().filter(|s| !(0.0..=1.0).contains(s)) {
        let rule = say!("it must be from 0 to 1", "0〜1 にしてください");
        found.push(LimitError::new(say!("the denoising strength", "デノイズ強度"), strength, rule));
    }
}

fn of_setting(setting: &'static Setting, value: Option<f64>, multiple: u32, number: usize) -> Option<LimitError> {
    let value = value?;
    let what = name_of(setting, number);
    if !value.is_finite() {
        return Some(not_finite(what, value));
    }
    let (min, max) = setting.limits?;
    let fits = (min..=max).contains(&value) && (multiple <= 1 || (value as u64).is_multiple_of(u64::from(multiple)));
    if fits {
        return None;
    }
    let rule = match multiple {
        0 | 1 => say!("it must be from {min} to {max}", "{min}〜{max} にしてください"),
        _ => say!(
            "it must be a multiple of {multiple} from {min} to {max}",
            "{min}〜{max} の {multiple} の倍数にしてください"
        ),
    };
    let nearest = (multiple > 1).then(|| {
        let multiple = f64::from(multiple);
        ((value.clamp(min, max) / multiple).round() * multiple) as u32
    });
    Some(LimitError { nearest, ..LimitError::new(what, value, rule) })
}

/// What a setting is called in a sentence: `the width`, `the hires width`.
fn name_of(setting: &Setting, number: usize) -> Text {
    let name = setting.name.replace('_', " ");
    let (en, ja) = match name.as_str() {
        "steps" => ("number of steps".to_owned(), "ステップ数".to_owned()),
        "width" => (name.clone(), "幅".to_owned()),
        "height" => (name.clone(), "高さ".to_owned()),
        _ => (name.clone(), format!("`{}` ", setting.name)),
    };
    match number {
        0 => Text::new(format!("the {en}"), ja),
        _ => Text::new(format!("the hires {en}"), format!("第 {} パスの{ja}", number + 1)),
    }
}

fn not_finite(what: Text, value: f64) -> LimitError {
    LimitError::new(what, value, say!("it must be a finite number", "有限の数にしてください"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Request, lower};
    use crate::preset::PresetSet;

    #[test]
    fn plans_of_somebody_else_have_what_plans_have() {
        let plan = lower(&Request::new("a <lora:x:1:lbw=XLMID>", ""), PresetSet::builtin()).plan.unwrap();
        assert_eq!(limits(&plan), []);
        let of = |change: fn(&mut Plan)| {
            let mut plan = plan.clone();
            change(&mut plan);
            limits(&plan).iter().map(|limit| limit.what.to_string()).collect::<Vec<_>>()
        };
        for wrong in [1, 27, 100_000] {
            let mut plan = plan.clone();
            plan.first.loras[0].blocks = vec![1.0; wrong];
            let [limit] = &limits(&plan)[..] else { panic!("{wrong}") };
            assert_eq!((&limit.value, &*limit.rule), (&wrong.to_string(), "it must be 26"));
        }
        assert_eq!(of(|plan| plan.first.positive.clear()), ["the prompt"]);
        assert_eq!(of(|plan| plan.first.positive[0].schedule.clear()), ["the prompt"]);
        assert_eq!(
            of(|plan| plan.later = vec![plan.first.clone(); MAX_PASSES]).first().unwrap(),
            "the number of passes"
        );
        let many = |plan: &mut Plan| {
            let part = plan.first.positive[0].clone();
            plan.first.positive = vec![part; MAX_SEGMENTS + 1];
        };
        assert_eq!(of(many), ["the number of texts over the steps"]);
    }
}
