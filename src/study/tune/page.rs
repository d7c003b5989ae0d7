//! The result of a search as a page, and as lines for the terminal.

use image::RgbImage;

use super::report::{Report, Shown, Variant};
use super::words;
use crate::diagnostic::Text;
use crate::say;
use crate::study::page::{Page, Sets};
use crate::study::words::percent;

impl Report {
    /// The page, in the report's language. `picture` gives a picture by its file name.
    pub fn page<E>(&self, picture: &mut dyn FnMut(&str) -> Result<RgbImage, E>) -> Result<String, E> {
        let loras = self.loras.join(", ");
        let heading = say!("{loras}: what should change", "{loras}: 変えたいこと");
        let mut page = Page::new(self.language, &format!("{loras} — lbw tune"), &heading, picture);
        page.paragraph(&Text::same(&self.sentence));
        if let Some(variant) = self.suggested() {
            page.code(&variant.tags);
            page.paragraph(&say!("The whole prompt:", "プロンプト全体:"));
            page.code(&variant.prompt);
        }
        if let Some(first) = self.variants.first() {
            page.heading(&say!(
                "On prompts and seeds that were not searched with",
                "探索に使っていないプロンプトとシードで"
            ));
            for at in 0..first.pictures.len() {
                self.scene(&mut page, at)?;
            }
            page.heading(&match self.variants.iter().all(|variant| variant.thirds.is_all()) {
                true => say!("Gentle, middle, strong", "弱め・中間・強め"),
                false => say!("Gentle, middle, strong, in some steps", "弱め・中間・強め・一部のステップ"),
            });
            for variant in &self.variants {
                self.variant(&mut page, variant)?;
            }
        }
        if !self.blocks.is_empty() {
            page.heading(&say!("Each block alone, without the others", "ブロックを一つだけ使うと"));
        }
        for block in &self.blocks {
            let numbers = [
                (say!("of what should go", "なくしたいもののうち"), format!("{} %", percent(block.does))),
                (say!("guilt (from 1 on it counts)", "原因の度合い (1 以上が候補)"), format!("{:.2}", block.guilt)),
            ];
            page.card(
                &block.id,
                |page| {
                    page.bar(block.does * 100.0);
                    page.numbers(&numbers);
                },
                |_| Ok(()),
            )?;
        }
        page.heading(&say!("How it was searched", "探索の記録"));
        page.paragraph(&self.cost());
        page.paragraph(&scenes(&say!("searched with", "探索"), &self.search));
        if !self.verification.is_empty() {
            page.paragraph(&scenes(&say!("verified on", "検証"), &self.verification));
        }
        Ok(page.end())
    }

    fn scene<E>(&self, page: &mut Page<'_, E>, at: usize) -> Result<(), E> {
        let of = |variant: &'_ Variant| variant.pictures.get(at).cloned();
        let Some(first) = self.variants.first().and_then(of) else { return Ok(()) };
        let Shown { prompt, seed, base, full, .. } = &first;
        let set = format!("scene-{at}");
        let sets = Sets { own: &set, beside: &set };
        page.card(
            prompt,
            |page| page.paragraph(&say!("seed {seed}", "シード {seed}")),
            |page| {
                page.shot(base, sets, &say!("base model", "LoRA なし"))?;
                page.shot(full, sets, &say!("whole LoRA", "LoRA 全体"))?;
                for variant in &self.variants {
                    if let Some(shown) = of(variant) {
                        page.shot(&shown.tuned, sets, &words::strength(variant.strength))?;
                    }
                }
                Ok(())
            },
        )
    }

    fn variant<E>(&self, page: &mut Page<'_, E>, variant: &Variant) -> Result<(), E> {
        let title = words::strength(variant.strength);
        let shares = words::shares(variant);
        let verdict = match variant.holds {
            true => say!("It holds: {shares}.", "成り立ちます: {shares}。", with shares),
            false => say!("It does not hold: {shares}.", "成り立ちません: {shares}。", with shares),
        };
        let tags = variant.tags.clone();
        page.card(
            title.in_language(self.language),
            |page| {
                page.paragraph(&words::changed(variant));
                page.paragraph(&verdict);
                page.code(&tags);
            },
            |_| Ok(()),
        )
    }

    fn cost(&self) -> Text {
        let (pictures, steps, quick) = (format!("{:.1}", self.pictures), self.steps, self.quick_steps);
        let (drawn, evaluations, looked) = (self.work.drawn, self.work.evaluations, self.looked);
        let seen = match looked {
            0 => Text::default(),
            looked => say!(
                " The checkpoint itself compared {looked}.",
                "うち {looked} 枚は、チェックポイント自身に見せて比べました。"
            ),
        };
        say!(
            "Everything together is worth {pictures} whole pictures of {steps} steps; the search drew with {quick} steps. In this run \
             {drawn} pictures were drawn with {evaluations} calls of the UNet.{seen}",
            "全部で {steps} ステップの画像 {pictures} 枚分です。探索は {quick} ステップで描きました。今回は {drawn} 枚を UNet \
             {evaluations} 回で描きました。{seen}",
            with seen
        )
    }

    /// The lines for a terminal; empty where one is left free.
    pub fn paragraphs(&self) -> Vec<String> {
        let words = |text: Text| text.in_language(self.language).to_owned();
        let mut said = Vec::new();
        for block in &self.blocks {
            let (id, does, guilt) = (&block.id, percent(block.does), block.guilt);
            said.push(words(say!(
                "{id:<5} alone: {does:>4} % of what should go, guilt {guilt:.2}",
                "{id:<5} だけ: なくしたいものの {does:>4} %、原因の度合い {guilt:.2}"
            )));
        }
        said.push(String::new());
        for variant in &self.variants {
            let (name, shares) = (words::strength(variant.strength), words::shares(variant));
            let vector = &variant.vector;
            said.push(words(say!("{name}: lbw={vector}", "{name}: lbw={vector}", with name)));
            said.push(words(match variant.holds {
                true => say!("{shares}.", "{shares}。", with shares),
                false => say!("It does not hold: {shares}.", "成り立ちません: {shares}。", with shares),
            }));
        }
        if !self.variants.is_empty() {
            said.push(String::new());
        }
        said.push(self.sentence.clone());
        said.push(words(self.cost()));
        said
    }
}

fn scenes(what: &Text, scenes: &[(String, i64)]) -> Text {
    let listed: Vec<String> = scenes.iter().map(|(prompt, seed)| format!("{prompt} ({seed})")).collect();
    let listed = listed.join("; ");
    say!("{what}: {listed}", "{what}: {listed}", with what)
}
