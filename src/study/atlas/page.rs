//! An atlas as a page.

use image::RgbImage;

use super::{Atlas, words};
use crate::diagnostic::Text;
use crate::say;
use crate::study::page::{Page, Sets};
use crate::study::words::percent;

impl Atlas {
    /// The page, in the atlas's language. `picture` gives a picture by its file name.
    pub fn page<E>(&self, picture: &mut dyn FnMut(&str) -> Result<RgbImage, E>) -> Result<String, E> {
        let loras = self.loras.iter().map(|lora| lora.name.as_str()).collect::<Vec<_>>().join(", ");
        let heading = say!("{loras}: what its blocks do", "{loras}: ブロックごとの働き");
        let mut page = Page::new(self.language, &format!("{loras} — lbw atlas"), &heading, picture);
        self.about().iter().for_each(|text| page.paragraph(text));
        page.code(&self.tags);
        let set = Sets { own: "atlas", beside: "atlas" };
        page.shots(|page| {
            page.shot(&self.references[0], set, &say!("base model", "LoRA なし"))?;
            page.shot(&self.references[1], set, &say!("whole LoRA", "LoRA 全体"))
        })?;
        for (at, attribute) in self.attributes.iter().enumerate() {
            page.heading(&words::attribute(*attribute));
            self.map(&mut page, at);
        }
        page.heading(&say!("Each block alone", "ブロックを一つだけ使うと"));
        for block in &self.blocks {
            page.card(
                &block.id,
                |page| page.paragraph(&words::sentence(self, block)),
                |page| page.shot(&block.picture, set, &Text::same(&block.id)),
            )?;
        }
        page.heading(&say!("Drawn", "描いたもの"));
        for (prompt, seed) in &self.scenes {
            page.paragraph(&say!("{prompt} — seed {seed}", "{prompt} — シード {seed}"));
        }
        Ok(page.end())
    }

    /// One attribute: blocks, and parts of the steps.
    fn map<E>(&self, page: &mut Page<'_, E>, at: usize) {
        let Some(whole) = self.whole.get(at) else { return };
        let (mean, spread) = (whole.mean, whole.spread);
        let of_whole = if self.scenes.len() < 2 { format!("{mean:.3}") } else { format!("{mean:.3} ± {spread:.3}") };
        page.paragraph(&match whole.share {
            Some(_) => say!(
                "The whole LoRA: {of_whole}. Shares of that, ± over the pictures where there are several:",
                "LoRA 全体: {of_whole}。それに対する割合と、複数の画像があればそのばらつき:"
            ),
            None => say!(
                "The whole LoRA: {of_whole}, hardly anything. The distances themselves:",
                "LoRA 全体: {of_whole}。ほとんど変えていないので、距離そのもの:"
            ),
        });
        let mut heads = vec![Text::default(), words::part(None)];
        heads.extend((0..self.parts.len()).map(|part| words::part(Some(part))));
        let cell = |measure: &super::Measure| match (measure.share, measure.doubt()) {
            // Of one picture there is no spread.
            (Some(share), _) if self.scenes.len() < 2 => (format!("{} %", percent(share)), share),
            (Some(share), Some(doubt)) => (format!("{} ± {} %", percent(share), percent(doubt)), share),
            _ => (format!("{:.3} ± {:.3}", measure.mean, measure.spread), 0.0),
        };
        let rows = self.blocks.iter().map(|block| {
            let cells = Atlas::columns(block).filter_map(|measures| measures.get(at)).map(cell);
            (block.id.clone(), cells.collect::<Vec<_>>())
        });
        page.map(&heads, &rows.collect::<Vec<_>>());
    }
}
