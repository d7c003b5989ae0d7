//! What an analysis found, in words.

use serde::Serialize;

use super::metrics::Change;
use super::report::Found;
use super::suggest::{Candidate, Errors, GAIN, Goal, KEPT};
use crate::diagnostic::Text;
use crate::say;

/// A share in whole percent. 0 and −0 are one number.
pub fn percent(share: f64) -> f64 {
    (share * 100.0).round() + 0.0
}

/// Why a block changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Idle {
    /// The LoRA has no modules in it.
    Absent,
    /// The LoRA has modules in it, and their strength is 0.
    Strength,
    /// The LoRA has modules in it, and element rules say their ratio, whatever the block's weight.
    Elements,
}

impl Idle {
    /// The reason, in a few words.
    pub fn said(self) -> Text {
        match self {
            Idle::Absent => say!("the LoRA has no weights here", "ここに LoRA の重みはありません"),
            Idle::Strength => say!("the LoRA's strength is 0 here", "ここでは LoRA の強度が 0 です"),
            Idle::Elements => say!("element rules say all ratios here", "ここの比率はすべて要素のルールで決まります"),
        }
    }
}

/// What a block does, in one sentence.
pub fn sentence(id: &str, idle: Option<Idle>, effect: &Change, colors: f64, lines: f64) -> Text {
    if let Some(idle) = idle {
        let why = idle.said();
        return say!("{id}: {why}.", "{id}: {why}。", with why);
    }
    let does = does(effect);
    if does.is_empty() {
        return say!("{id} hardly does anything.", "{id}: ほとんど何もしません。");
    }
    let does = listed(does);
    let share = |share: f64, what: Text| {
        let percent = format!("{:.0}", share * 100.0);
        (share >= 0.1).then(|| say!("{percent} % of the change in {what}", "{what}の変化の {percent} %", with what))
    };
    let shares = [share(colors, say!("colour", "色")), share(lines, say!("lines", "線"))];
    let shares: Vec<Text> = shares.into_iter().flatten().collect();
    if shares.is_empty() {
        return say!("{id} {does}.", "{id}: {does}。", with does);
    }
    let shares = listed(shares);
    say!(
        "{id} {does}; without it {shares} from the base model goes away.",
        "{id}: {does}。これを外すと、ベースモデルからの{shares}がなくなります。",
        with does, shares
    )
}

/// Whether a change is large enough for words.
pub fn is_seen(change: &Change) -> bool {
    !does(change).is_empty()
}

/// `a, b and c`
fn listed(mut words: Vec<Text>) -> Text {
    let Some(last) = words.pop() else { return Text::default() };
    if words.is_empty() {
        return last;
    }
    let first = Text::join_words(words);
    say!("{first} and {last}", "{first}、{last}", with first, last)
}

/// What is worth saying about a change, as verbs.
fn does(c: &Change) -> Vec<Text> {
    const JUST_SEEN: f64 = 1.0;
    let mut said = Vec::new();
    let shift = c.a.hypot(c.b);
    let delta_e = format!("ΔE {:.1}", c.delta_e);
    if shift >= JUST_SEEN {
        let towards = hue_name(c.b.atan2(c.a).to_degrees().rem_euclid(360.0));
        said.push(say!(
            "shifts colours towards {towards} ({delta_e})",
            "色を{towards}寄りにする ({delta_e})",
            with towards
        ));
    } else if c.delta_e >= 2.0 * JUST_SEEN {
        said.push(say!("repaints ({delta_e})", "塗り直す ({delta_e})"));
    }
    if c.hue.abs() >= 5.0 {
        let by = format!("{:+.0}", c.hue);
        said.push(say!("turns hues by {by}°", "色相を {by}° 回す"));
    }
    let chroma = format!("{:+.1}", c.saturation);
    match c.saturation {
        s if s >= JUST_SEEN => {
            said.push(say!("makes colours more vivid ({chroma} chroma)", "色を鮮やかにする (彩度 {chroma})"));
        }
        s if s <= -JUST_SEEN => {
            said.push(say!("makes colours paler ({chroma} chroma)", "色を淡くする (彩度 {chroma})"))
        }
        _ => {}
    }
    let light = format!("{:+.1} L*", c.lightness);
    match c.lightness {
        l if l >= JUST_SEEN => said.push(say!("brightens ({light})", "明るくする ({light})")),
        l if l <= -JUST_SEEN => said.push(say!("darkens ({light})", "暗くする ({light})")),
        _ => {}
    }
    let percent = |ratio: f64| format!("{:+.0} %", (ratio - 1.0) * 100.0);
    let by = percent(c.contrast);
    match c.contrast - 1.0 {
        d if d >= 0.05 => said.push(say!("raises contrast ({by})", "コントラストを上げる ({by})")),
        d if d <= -0.05 => said.push(say!("flattens contrast ({by})", "コントラストを下げる ({by})")),
        _ => {}
    }
    let by = percent(c.edges);
    match c.edges - 1.0 {
        d if d >= 0.1 => said.push(say!("hardens lines ({by} gradient energy)", "線を硬くする (勾配エネルギー {by})")),
        d if d <= -0.1 => {
            said.push(say!("softens lines ({by} gradient energy)", "線を柔らかくする (勾配エネルギー {by})"));
        }
        _ => {}
    }
    if !said.is_empty() || c.coarse_ssim < KEPT {
        let ssim = format!("{:.2}", c.coarse_ssim);
        said.push(match c.coarse_ssim {
            s if s >= 0.97 => say!("keeps the composition", "構図は保つ"),
            s if s >= KEPT => {
                say!("touches the composition (coarse SSIM {ssim})", "構図を少し変える (粗い SSIM {ssim})")
            }
            _ => say!("changes the composition (coarse SSIM {ssim})", "構図を変える (粗い SSIM {ssim})"),
        });
    }
    said
}

/// The colour at an angle of the a*b* plane.
fn hue_name(degrees: f64) -> Text {
    match degrees {
        d if d < 55.0 => say!("red", "赤"),
        d if d < 80.0 => say!("orange", "オレンジ"),
        d if d < 115.0 => say!("yellow", "黄"),
        d if d < 175.0 => say!("green", "緑"),
        d if d < 230.0 => say!("cyan", "シアン"),
        d if d < 300.0 => say!("blue", "青"),
        d if d < 340.0 => say!("purple", "紫"),
        _ => say!("pink", "ピンク"),
    }
}

/// What came of looking for a vector.
pub fn suggestion_sentence(found: Option<&Found>, candidate: Option<&Candidate>, full: &Errors, goal: Goal) -> Text {
    let (Some(found), Some(candidate)) = (found, candidate) else {
        return say!(
            "No vector brings the base model back and keeps the composition (coarse SSIM at least {KEPT}): nothing is suggested. \
             `lbw tune` keeps the motif instead.",
            "構図を保ったまま (粗い SSIM {KEPT} 以上) ベースモデルに近づくベクトルはありません。提案はありません。\
             モチーフだけを残して探すには `lbw tune` を使います。"
        );
    };
    let gains = |now: &Errors, full: &Errors| {
        let (colors, lines) = now.gains(full);
        let (colors, lines) = (format!("{:+.0} %", -colors * 100.0), format!("{:+.0} %", -lines * 100.0));
        let kept = format!("{:.2}", now.kept);
        say!(
            "colour error {colors}, line error {lines}, coarse SSIM {kept}",
            "色の差 {colors}、線の差 {lines}、粗い SSIM {kept}"
        )
    };
    let less = format!("{:.0} %", GAIN * 100.0);
    let verdict = match found.holds {
        true => say!(
            "the goal ({less} less, coarse SSIM at least {KEPT}) is reached",
            "目標 ({less} 減、粗い SSIM {KEPT} 以上) に届きました"
        ),
        false if candidate.errors.reaches(full, goal) => {
            say!("the goal is reached here but does not carry over", "ここでは目標に届きましたが、ほかでは届きません")
        }
        false => say!(
            "the goal ({less} less, coarse SSIM at least {KEPT}) is not reached",
            "目標 ({less} 減、粗い SSIM {KEPT} 以上) には届きません"
        ),
    };
    let lowered = found.weights.iter().map(|(block, weight)| say!("{block} at {weight}", "{block} を {weight}"));
    let lowered = Text::join_words(lowered);
    let (here, elsewhere) = (gains(&found.errors, full), gains(&found.verified, &found.verified_full));
    say!(
        "{lowered}: {here}; on other prompts and seeds {elsewhere}: {verdict}.",
        "{lowered} に: {here}。ほかのプロンプトとシードでは {elsewhere}。{verdict}。",
        with lowered, here, elsewhere, verdict
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Language;

    #[test]
    fn sentences_say_what_a_block_does() {
        let c = Change { delta_e: 12.0, a: 9.0, b: 4.0, edges: 1.4, contrast: 0.8, ..Change::NONE };
        let said = sentence("OUT04", None, &c, 0.62, 0.05);
        assert_eq!(
            said,
            "OUT04 shifts colours towards red (ΔE 12.0), flattens contrast (-20 %), hardens lines (+40 % gradient energy) \
             and keeps the composition; without it 62 % of the change in colour from the base model goes away."
        );
        assert_eq!(
            said.in_language(Language::Ja),
            "OUT04: 色を赤寄りにする (ΔE 12.0)、コントラストを下げる (-20 %)、線を硬くする (勾配エネルギー +40 %)、構図は保つ。\
             これを外すと、ベースモデルからの色の変化の 62 %がなくなります。"
        );
        assert_eq!(sentence("M00", None, &Change::NONE, 0.0, 0.0), "M00 hardly does anything.");
        let idle = |why| sentence("BASE", Some(why), &Change::NONE, 0.0, 0.0);
        assert_eq!(idle(Idle::Absent), "BASE: the LoRA has no weights here.");
        assert_eq!(idle(Idle::Strength), "BASE: the LoRA's strength is 0 here.");
        let moved = Change { coarse_ssim: 0.5, ..Change::NONE };
        assert_eq!(sentence("IN04", None, &moved, 0.0, 0.0), "IN04 changes the composition (coarse SSIM 0.50).");
        assert!(is_seen(&c) && is_seen(&moved) && !is_seen(&Change::NONE));
    }
}
