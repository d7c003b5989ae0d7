//! The report as a table for the terminal and as CSV.

use super::{Block, Report, guilty};
use crate::diagnostic::Text;
use crate::say;

/// Columns that the bar has at least and at most.
const BAR: (usize, usize) = (6, 20);
/// Columns of a text that nobody has to fit into a window.
const COLUMNS: usize = 100;

impl Report {
    /// A line for each block, with a bar of its difference that fits into `columns`.
    pub fn table(&self, columns: usize) -> String {
        let words = |text: Text| text.in_language(self.language).to_owned();
        let ids = self.blocks.iter().map(|b| b.id.chars().count()).max().unwrap_or(0).max(8) + 1;
        let heads = |bar: usize| {
            let heads = [
                (say!("block", "ブロック"), ids),
                (say!("modules", "個数"), 8),
                (say!("diff %", "差 %"), 7),
                (Text::same("±"), 6),
                (Text::default(), bar + 1),
                (Text::same("ΔE"), 5),
                (say!("edges", "線"), 6),
                (say!("contrast", "明暗"), 9),
                (say!("chroma", "彩度"), 7),
                (say!("coarse", "構図"), 7),
                (say!("guilt", "責任"), 5),
            ];
            heads.map(|(head, width)| words(head.padded(width)))
        };
        let rest = ids + 8 + 7 + 6 + 1 + 5 + 6 + 9 + 7 + 7 + 5;
        let bar = columns.saturating_sub(rest).clamp(BAR.0, BAR.1);
        let most = self.blocks.iter().map(|b| b.percent).fold(0.0, f64::max).max(1e-9);
        let mut text = heads(bar).concat().trim_end().to_owned() + "\n";
        for block in &self.blocks {
            let line = match block.idle {
                Some(idle) => format!("{:ids$}{:<8}{}", block.id, 0, words(idle.said())),
                None => row(block, ids, bar, block.percent / most),
            };
            text += line.trim_end();
            text += "\n";
        }
        text
    }

    /// What is said below the table: a sentence for each block, the guiltiest first, then the suggestion; empty where a line is
    /// left free.
    pub fn paragraphs(&self) -> Vec<String> {
        let blocks = guilty(&self.blocks).into_iter().map(|at| &self.blocks[at]).filter(|b| b.idle.is_none());
        let mut said = vec![String::new()];
        said.extend(blocks.map(|block| block.sentence.clone()));
        if let Some(suggestion) = &self.suggestion {
            said.push(String::new());
            if let Some(found) = &suggestion.found {
                let vector = &found.vector;
                let said_of = match found.holds {
                    true => say!("suggested: lbw={vector}", "提案: lbw={vector}"),
                    false => say!("not suggested, the nearest: lbw={vector}", "提案なし (最も近いもの): lbw={vector}"),
                };
                said.push(said_of.in_language(self.language).to_owned());
            }
            said.push(suggestion.sentence.clone());
        }
        said
    }

    /// Table and paragraphs.
    pub fn text(&self) -> String {
        self.table(COLUMNS) + &self.paragraphs().join("\n") + "\n"
    }

    /// A row for each block.
    pub fn csv(&self) -> Result<String, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = "block,modules,percent,spread,delta_e,lightness,a,b,hue,saturation,contrast,edges,ssim,coarse_ssim,\
                      base_delta_e,base_edges,base_coarse_ssim,colors,lines,guilt,sentence";
        writer.write_record(header.split(','))?;
        for b in &self.blocks {
            let (e, l) = (&b.effect, &b.left);
            let numbers = [
                b.percent,
                b.spread,
                e.delta_e,
                e.lightness,
                e.a,
                e.b,
                e.hue,
                e.saturation,
                e.contrast,
                e.edges,
                e.ssim,
                e.coarse_ssim,
                l.delta_e,
                l.edges,
                l.coarse_ssim,
                b.colors,
                b.lines,
                b.guilt,
            ];
            let mut row = vec![b.id.clone(), b.modules.to_string()];
            row.extend(numbers.iter().map(f64::to_string));
            row.push(b.sentence.clone());
            writer.write_record(&row)?;
        }
        let bytes = writer.into_inner().map_err(|e| csv::Error::from(std::io::Error::other(e.to_string())))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn row(block: &Block, ids: usize, bar: usize, share: f64) -> String {
    let e = &block.effect;
    format!(
        "{:ids$}{:<8}{:<7.2}{:<6.2}{:bar$} {:<5.1}{:<6.2}{:<9.2}{:<+7.1}{:<7.3}{:.2}",
        block.id,
        block.modules,
        block.percent,
        block.spread,
        "█".repeat((share * bar as f64).round() as usize),
        e.delta_e,
        e.edges,
        e.contrast,
        e.saturation,
        e.coarse_ssim,
        block.guilt
    )
}
