//! The report as a page.

use image::RgbImage;

use super::{Block, Report, Suggestion, guilty};
use crate::diagnostic::Text;
use crate::say;
use crate::study::page::{Page, Sets};

/// The page of `report`, in its language. `picture` gives a picture by its file name.
pub fn page<E>(report: &Report, picture: &mut dyn FnMut(&str) -> Result<RgbImage, E>) -> Result<String, E> {
    let loras = report.loras.join(", ");
    let heading = say!("{loras}: which block does what", "{loras}: どのブロックが何をするか");
    let mut page = Page::new(report.language, &format!("{loras} — lbw analyze"), &heading, picture);
    page.code(&report.prompt);
    page.paragraph(&summary(report));
    page.heading(&say!("What the whole LoRA does", "LoRA 全体の働き"));
    page.shots(|page| {
        for one in &report.references {
            let (seed, set) = (one.seed, of_seed(one.seed));
            let sets = Sets { own: &set, beside: &set };
            page.shot(&one.base, sets, &say!("base model, seed {seed}", "LoRA なし、シード {seed}"))?;
            page.shot(&one.full, sets, &say!("whole LoRA, seed {seed}", "LoRA 全体、シード {seed}"))?;
        }
        Ok(())
    })?;
    if let Some(found) = &report.suggestion {
        suggestion(&mut page, found)?;
    }
    page.heading(&say!("Blocks, the guiltiest first", "ブロック (責任の大きい順)"));
    page.paragraph(&say!(
        "Guilt is the share of the change in colour and lines from the base model that goes away without the block.",
        "責任は、ベースモデルからの色と線の変化のうち、そのブロックを外すとなくなる割合です。"
    ));
    for block in guilty(&report.blocks).into_iter().map(|at| &report.blocks[at]) {
        card(&mut page, block)?;
    }
    Ok(page.end())
}

fn of_seed(seed: i64) -> String {
    format!("seed-{seed}")
}

fn summary(report: &Report) -> Text {
    let seeds = report.seeds.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    let (steps, threshold, [value, rest]) = (report.steps, &report.threshold, &report.range);
    let quick = match report.quick {
        true => say!(" (a quarter of them, --quick)", " (その 4 分の 1、--quick)"),
        false => Text::default(),
    };
    say!(
        "Weight {value} against {rest}; seeds {seeds}; {steps} steps{quick}; threshold {threshold}.",
        "重み {value} と {rest} の比較。シード {seeds}、{steps} ステップ{quick}、閾値 {threshold}。",
        with quick
    )
}

fn suggestion<E>(page: &mut Page<'_, E>, suggestion: &Suggestion) -> Result<(), E> {
    page.heading(&say!("Suggested", "提案"));
    let Some(found) = &suggestion.found else {
        page.paragraph(&Text::same(&suggestion.sentence));
        return Ok(());
    };
    page.code(&found.tags);
    page.paragraph(&Text::same(&suggestion.sentence));
    page.paragraph(&say!("The whole prompt:", "プロンプト全体:"));
    page.code(&found.prompt);
    for (number, row) in found.pictures.iter().enumerate() {
        let (set, seed) = (format!("verified-{number}"), row.seed);
        let sets = Sets { own: &set, beside: &set };
        page.card(
            &row.prompt,
            |page| page.paragraph(&say!("seed {seed}", "シード {seed}")),
            |page| {
                page.shot(&row.base, sets, &say!("base model", "LoRA なし"))?;
                page.shot(&row.full, sets, &say!("whole LoRA", "LoRA 全体"))?;
                page.shot(&row.suggested, sets, &say!("suggested", "提案"))
            },
        )?;
    }
    Ok(())
}

fn card<E>(page: &mut Page<'_, E>, block: &Block) -> Result<(), E> {
    let (e, id) = (&block.effect, &block.id);
    let numbers = [
        (say!("diff", "差"), format!("{:.2} ± {:.2} %", block.percent, block.spread)),
        (say!("guilt", "責任"), format!("{:.2}", block.guilt)),
        (Text::same("ΔE"), format!("{:.1}", e.delta_e)),
        (say!("edges", "線"), format!("× {:.2}", e.edges)),
        (say!("contrast", "コントラスト"), format!("× {:.2}", e.contrast)),
        (say!("chroma", "彩度"), format!("{:+.1}", e.saturation)),
        (say!("coarse SSIM", "粗い SSIM"), format!("{:.3}", e.coarse_ssim)),
        (say!("modules", "モジュール"), block.modules.to_string()),
    ];
    let left = |page: &mut Page<'_, E>| {
        page.bar(block.percent);
        page.paragraph(&Text::same(&block.sentence));
        if block.idle.is_none() {
            page.numbers(&numbers);
        }
    };
    page.card(id, left, |page| {
        for files in block.pictures.iter().filter(|_| block.idle.is_none()) {
            let (seed, own, beside) = (files.seed, format!("{id}-{}", files.seed), of_seed(files.seed));
            let sets = Sets { own: &own, beside: &beside };
            page.shot(&files.changed, sets, &say!("without {id}, seed {seed}", "{id} なし、シード {seed}"))?;
            page.shot(&files.difference, sets, &say!("difference", "差分"))?;
        }
        Ok(())
    })
}
