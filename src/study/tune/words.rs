//! What came of a search, in sentences.

use super::report::{Report, Strength, Variant};
use super::verified::Interval;
use crate::diagnostic::Text;
use crate::say;
use crate::study::words;

/// What came of it.
pub fn sentence(report: &Report) -> Text {
    let came = outcome(report);
    if !report.keeps_nothing || report.is_idle {
        return came;
    }
    say!(
        "{came} The whole LoRA hardly does what should stay, so nothing speaks against lowering it.",
        "{came}LoRA 全体でも残したいことはほとんど描かれていないので、下げることを妨げるものはありません。",
        with came
    )
}

fn outcome(report: &Report) -> Text {
    if report.is_idle {
        return say!(
            "No damage: the whole LoRA hardly does what should go.",
            "問題はありません。LoRA 全体でも、なくしたいことはほとんど起きていません。"
        );
    }
    let blocks = Text::join_words(report.guilty.iter().map(Text::same));
    if report.variants.is_empty() {
        let (near, advice) = (nearest(report), advice());
        return say!(
            "Nothing was found: no block that is lowered takes enough of what should go without taking what should stay.{near} {advice}",
            "見つかりませんでした。残したいものを失わずに、なくしたいものを十分に減らせるブロックはありませんでした。{near}{advice}",
            with near, advice
        );
    }
    let Some(suggested) = report.suggested() else {
        if report.is_idle_elsewhere {
            return say!(
                "{blocks} seemed to do it, but on the other prompts and seeds the whole LoRA hardly does what should go, so they say nothing: give \
                 --verify-prompt with the words that it answers to.",
                "{blocks} が原因のようでしたが、ほかのプロンプトとシードでは LoRA 全体でもなくしたいことがほとんど起きないため、確かめられません。\
                 LoRA が反応する言葉を入れた --verify-prompt を指定してください。",
                with blocks
            );
        }
        let advice = advice();
        return say!(
            "{blocks} seemed to do it, but on other prompts and seeds lowering them does not hold: nothing is suggested. {advice}",
            "{blocks} が原因のようでしたが、ほかのプロンプトとシードでは成り立ちません。提案はありません。{advice}",
            with blocks, advice
        );
    };
    let (changed, shares) = (changed(suggested), shares(suggested));
    let count = suggested.pictures.len();
    let (time, little) = (in_time(report, suggested), little(suggested));
    say!(
        "What should go comes from {blocks}. {changed}: on {count} other prompts and seeds {shares}.{little}{time}",
        "原因は {blocks} です。{changed} にすると、ほかの {count} 組のプロンプトとシードで{shares}。{little}{time}",
        with blocks, changed, shares, little, time
    )
}

/// A gain that is sure, and that few will see.
fn little(suggested: &Variant) -> Text {
    const LITTLE: f64 = 0.2;
    if suggested.verified.gone.mean >= LITTLE {
        return Text::default();
    }
    let advice = advice();
    say!(" That is little. {advice}", "効果はわずかです。{advice}", with advice)
}

/// What came nearest of what was tried.
fn nearest(report: &Report) -> Text {
    let best = report.trials.iter().max_by(|p, q| p.score.value().total_cmp(&q.score.value()));
    let Some(best) = best else { return Text::default() };
    let (gone, kept) = (words::percent(best.score.gone), words::percent(best.score.kept.max(0.0)));
    say!(
        " The nearest took {gone} % of it away and kept {kept} %.",
        "最も近いものでも、消えたのは {gone} %、残ったのは {kept} % でした。"
    )
}

fn advice() -> Text {
    say!(
        "More steps, other prompts or another --keep may tell more, and `lbw analyze` shows block by block.",
        "ステップを増やす、プロンプトを変える、--keep を変えると分かることがあります。`lbw analyze` はブロックごとに示します。"
    )
}

/// What came of changing the blocks in some of the steps.
fn in_time(report: &Report, suggested: &Variant) -> Text {
    let (tried, timed) = (
        report.trials.iter().filter(|tried| !tried.thirds.is_all()).count(),
        report.variants.iter().any(|variant| !variant.thirds.is_all()),
    );
    match (tried, timed) {
        (0, _) if report.level_only => say!(
            " Changes in some of the steps were not tried: another host does not read them.",
            "一部のステップだけの変更は、別のホストでは読まれないため試していません。"
        ),
        (0, _) => Text::default(),
        _ if !suggested.thirds.is_all() => {
            say!(" That is better than all the time.", "全ステップで変えるより良い結果です。")
        }
        (_, true) => say!(
            " In some of the steps alone it was better with the prompts that were searched with, and is not with these.",
            "一部のステップだけで変えると探索のプロンプトでは良くなりましたが、ここでは良くなりませんでした。"
        ),
        (_, false) => say!(
            " In some thirds of the steps alone it is not better ({tried} ways were tried).",
            "ステップの一部 (三分の一ずつ、{tried} 通り) だけで変えても良くなりませんでした。"
        ),
    }
}

/// The name of a strength.
pub fn strength(strength: Strength) -> Text {
    match strength {
        Strength::Gentle => say!("gentle", "弱め"),
        Strength::Middle => say!("middle", "中間"),
        Strength::Strong => say!("strong", "強め"),
        Strength::Timed => say!("in some steps", "一部のステップ"),
    }
}

/// `OUT04 at 0, IN05 at 0.5`, and when, if that is not always.
pub fn changed(variant: &Variant) -> Text {
    let weights = variant.weights.iter().map(|(block, weight)| say!("{block} at {weight}", "{block} を {weight}"));
    let changed = Text::join_words(weights);
    match variant.thirds.numbers().as_slice() {
        [1] => {
            say!("{changed} in the first third of the steps", "{changed} (最初の三分の一のステップだけ)", with changed)
        }
        [2] => {
            say!("{changed} in the middle third of the steps", "{changed} (中間の三分の一のステップだけ)", with changed)
        }
        [3] => {
            say!("{changed} in the last third of the steps", "{changed} (最後の三分の一のステップだけ)", with changed)
        }
        [1, 2] => {
            say!("{changed} in all but the last third of the steps", "{changed} (最後の三分の一のステップを除く)", with changed)
        }
        [2, 3] => {
            say!("{changed} in all but the first third of the steps", "{changed} (最初の三分の一のステップを除く)", with changed)
        }
        [1, 3] => {
            say!("{changed} in all but the middle third of the steps", "{changed} (中間の三分の一のステップを除く)", with changed)
        }
        _ => changed,
    }
}

/// What is gone and what is kept, with how sure that is.
pub fn shares(variant: &Variant) -> Text {
    let (gone, kept) = (percent(variant.verified.gone), percent(variant.verified.kept));
    say!(
        "{gone} of what should go is gone and {kept} of what should stay is kept",
        "なくしたいものの {gone} が消え、残したいものの {kept} が残ります"
    )
}

/// `62 % (48 to 71)`
fn percent(interval: Interval) -> String {
    let Interval { mean, low, high } = interval;
    let [mean, low, high] = [mean, low, high].map(words::percent);
    format!("{mean} % ({low}–{high})")
}

#[cfg(test)]
mod tests {
    use super::super::search::Thirds;
    use super::super::verified::Measured;
    use super::*;

    #[test]
    fn a_gain_that_few_will_see_is_called_little() {
        let report = |gone: f64| {
            let [gone, kept, gain] = [gone, 1.0, gone].map(|mean| Interval { mean, low: mean, high: mean });
            let variant = Variant {
                strength: Strength::Strong,
                thirds: Thirds::ALL,
                vector: String::new(),
                tags: String::new(),
                prompt: String::new(),
                weights: vec![("OUT04".to_owned(), 0.0)],
                holds: true,
                verified: Measured { gone, kept, gain },
                pictures: Vec::new(),
            };
            Report { guilty: vec!["OUT04".to_owned()], variants: vec![variant], ..Report::default() }
        };
        assert!(sentence(&report(0.05)).contains("5 % (5–5) of what should go is gone"));
        assert!(sentence(&report(0.05)).contains("That is little."));
        assert!(!sentence(&report(0.5)).contains("little"));
    }
}
