//! An atlas in words, and as a table for the terminal.

use super::super::tune::Attribute;
use super::{Atlas, Block, Comparison, Measure};
use crate::diagnostic::Text;
use crate::say;
use crate::study::words;

/// Shares below this are not worth a word.
const LITTLE: f64 = 0.2;
/// Differences that are told; the others are in the data.
const TOLD: usize = 12;

/// The name of an attribute.
pub fn attribute(attribute: Attribute) -> Text {
    match attribute {
        Attribute::Colors => say!("colors", "色"),
        Attribute::Lines => say!("lines", "線"),
        Attribute::Style => say!("style", "画風"),
        Attribute::Composition => say!("composition", "構図"),
        Attribute::Motif => say!("motif", "モチーフ"),
    }
}

/// The name of a part of the steps, or of all of them.
pub fn part(part: Option<usize>) -> Text {
    match part {
        None => say!("all steps", "全ステップ"),
        Some(0) => say!("first third", "最初の 3 分の 1"),
        Some(1) => say!("middle third", "中間の 3 分の 1"),
        Some(_) => say!("last third", "最後の 3 分の 1"),
    }
}

/// A share in percent.
pub fn percent(measure: &Measure) -> String {
    measure.share.map_or_else(|| "–".to_owned(), |share| format!("{} %", words::percent(share)))
}

/// What a block does, in a sentence.
pub fn sentence(atlas: &Atlas, block: &Block) -> Text {
    does(atlas, block).unwrap_or_else(|| little(&[&block.id]))
}

fn little(ids: &[&str]) -> Text {
    let (ids, most) = (Text::list(ids), LITTLE * 100.0);
    say!("Alone, less than {most:.0} % of anything: {ids}.", "単独ではどれも {most:.0} % に届かない: {ids}。", with ids)
}

/// What a block does, if it does anything.
fn does(atlas: &Atlas, block: &Block) -> Option<Text> {
    let mut does: Vec<(usize, f64)> = block
        .always
        .iter()
        .enumerate()
        .filter_map(|(at, m)| Some((at, m.share?)))
        .filter(|(_, s)| *s >= LITTLE)
        .collect();
    does.sort_by(|p, q| q.1.total_cmp(&p.1));
    let id = &block.id;
    if does.is_empty() {
        return None;
    }
    let one = |(at, share): &(usize, f64)| {
        let (name, percent) = (attribute(atlas.attributes[*at]), words::percent(*share));
        let of = |part: usize| block.parts.get(part).and_then(|measures| measures.get(*at)?.share);
        let parts: Vec<f64> = (0..block.parts.len()).filter_map(of).collect();
        let most = (0..parts.len()).max_by(|p, q| parts[*p].total_cmp(&parts[*q]));
        let half = parts.iter().sum::<f64>() / 2.0;
        match most.filter(|most| parts[*most] >= (LITTLE / 2.0).max(half)) {
            Some(most) => {
                let most = part(Some(most));
                say!("{percent} % of the {name} (most of it in the {most})", "{name}の {percent} % (多くは{most}で)", with name, most)
            }
            None => say!("{percent} % of the {name}", "{name}の {percent} %", with name),
        }
    };
    let does = Text::join_words(does.iter().map(one));
    Some(say!("{id} alone does {does}.", "{id} だけで{does}。", with does))
}

impl Atlas {
    /// What was drawn, and with what.
    pub fn about(&self) -> Vec<Text> {
        let named = |named: &super::Named| match &named.hash {
            Some(hash) => format!("{} ({})", named.name, hash.chars().take(10).collect::<String>()),
            None => named.name.clone(),
        };
        let (model, steps, scenes) = (named(&self.model), self.steps, self.scenes.len());
        let loras = self.loras.iter().map(named).collect::<Vec<_>>().join(", ");
        let mut about = vec![match scenes {
            1 => say!(
                "{loras} on {model}: {steps} steps, each block alone on the base model, one picture of each.",
                "{model} での {loras}: {steps} ステップ。ブロックを一つだけ使い、それぞれ 1 枚。"
            ),
            _ => say!(
                "{loras} on {model}: {steps} steps, each block alone on the base model, {scenes} pictures of each (prompts and seeds).",
                "{model} での {loras}: {steps} ステップ。ブロックを一つだけ使い、それぞれ {scenes} 枚 (プロンプトとシード)。"
            ),
        }];
        let hardly = self.attributes.iter().zip(&self.whole).filter(|(_, measure)| measure.share.is_none());
        let hardly = Text::join_words(hardly.map(|(of, _)| attribute(*of)));
        if !hardly.is_empty() {
            about.push(say!("The whole LoRA hardly changes {hardly}.", "LoRA 全体でも{hardly}はほとんど変わりません。", with hardly));
        }
        if !self.idle.is_empty() {
            let idle = Text::list(&self.idle);
            about.push(say!("No weights in {idle}.", "{idle} に重みはありません。", with idle));
        }
        if !self.off.is_empty() {
            let off = Text::list(&self.off);
            about.push(say!(
                "Its strength is 0, or element rules say all ratios, in {off}.",
                "{off} では強度が 0 か、比率がすべて要素のルールで決まります。",
                with off
            ));
        }
        about
    }

    /// A row for each block: the share of what the whole LoRA does, and how it is spread over the parts of the steps.
    pub fn table(&self) -> Text {
        let mut rows = vec![vec![Text::default()]];
        rows[0].extend(self.attributes.iter().map(|of| attribute(*of)));
        for block in &self.blocks {
            let mut row = vec![Text::same(&block.id)];
            row.extend((0..self.attributes.len()).map(|at| Text::same(self.cell(block, at))));
            rows.push(row);
        }
        Text::table(rows.iter().map(Vec::as_slice))
    }

    fn cell(&self, block: &Block, at: usize) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let share = |measures: &Vec<Measure>| measures.get(at).and_then(|measure| measure.share);
        let most =
            self.blocks.iter().flat_map(|block| &block.parts).filter_map(share).fold(f64::MIN_POSITIVE, f64::max);
        let bar = |share: f64| BARS[((share / most).clamp(0.0, 1.0) * (BARS.len() - 1) as f64).round() as usize];
        let bars: String = block.parts.iter().filter_map(share).map(bar).collect();
        match block.always.get(at) {
            Some(measure) => format!("{:>5} {bars}", percent(measure)),
            None => String::new(),
        }
    }

    /// The table and the sentences, for people.
    pub fn text(&self) -> String {
        let all = [vec![self.table()], self.paragraphs()].concat();
        let words = all.iter().map(|text| text.in_language(self.language).trim_end().to_owned());
        words.collect::<Vec<_>>().join("\n") + "\n"
    }

    /// The lines for a terminal; empty where one is left free.
    pub fn paragraphs(&self) -> Vec<Text> {
        let mut said = self.about();
        said.push(Text::default());
        said.extend(self.blocks.iter().filter_map(|block| does(self, block)));
        let is_little = |block: &&Block| does(self, block).is_none();
        let others: Vec<&str> = self.blocks.iter().filter(is_little).map(|block| block.id.as_str()).collect();
        if !others.is_empty() {
            said.push(little(&others));
        }
        said
    }
}

impl Comparison {
    /// What differs between two atlases.
    pub fn paragraphs(&self) -> Vec<Text> {
        let others =
            [say!("LoRA", "LoRA"), say!("checkpoint", "チェックポイント"), say!("number of steps", "ステップ数")];
        let others =
            Text::join_words(others.into_iter().zip(self.same).filter(|(_, same)| !same).map(|(what, _)| what));
        let mut said = vec![match self.same.contains(&false) {
            true => say!("Two atlases, not of the same {others}.", "二つのアトラスは{others}が違います。", with others),
            false => say!(
                "Two atlases of the same LoRA, checkpoint and number of steps.",
                "同じ LoRA、チェックポイント、ステップ数の二つのアトラスです。"
            ),
        }];
        for (of, rank) in &self.ranks {
            let name = attribute(*of);
            said.push(match rank {
                Some(rank) => say!("{name}: blocks and thirds are ranked alike by {rank:.2} (1 is the same order).", "{name}: 順位の相関 {rank:.2} (1 なら同じ順)。", with name),
                None => say!("{name}: the whole LoRA hardly changes it in one of them.", "{name}: どちらかで LoRA 全体がほとんど変えていません。", with name),
            });
        }
        for difference in self.differences.iter().take(TOLD) {
            let (block, name, when) = (&difference.block, attribute(difference.attribute), part(difference.part));
            let (first, second) = (words::percent(difference.first), words::percent(difference.second));
            said.push(say!("{block}, {name}, {when}: {first} % and {second} %.", "{block}、{name}、{when}: {first} % と {second} %。", with name, when));
        }
        match self.differences.len().checked_sub(TOLD) {
            Some(more @ 1..) => said.push(say!("And {more} more.", "ほかに {more} か所。")),
            _ if self.differences.is_empty() && self.ranks.iter().any(|(_, rank)| rank.is_some()) => said.push(say!(
                "They differ nowhere by more than their pictures do among themselves.",
                "どこも、画像どうしのばらつきより大きくは違いません。"
            )),
            _ => {}
        }
        for (ids, which) in self.unpaired.iter().zip([say!("first", "一つ目"), say!("second", "二つ目")]) {
            if !ids.is_empty() {
                let ids = Text::list(ids);
                said.push(say!("Only in the {which}: {ids}.", "{which}だけにあるブロック: {ids}。", with which, ids));
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_s_atlas_may_say_anything() {
        let text = r#"{"format":1,"model":{"name":"m","hash":"ハッシュハッシュハッシュ"},"loras":[{"name":"l","hash":null}],"tags":"","scenes":[],
            "steps":6,"parts":[],"attributes":["colors"],"whole":[{"mean":0,"spread":0,"share":null}],
            "blocks":[{"id":"X","always":[{"mean":0,"spread":0,"share":0}],"parts":[],"picture":""}],"idle":[],"references":["",""]}"#;
        let atlas: Atlas = serde_json::from_str(text).unwrap();
        let said = Text::join(atlas.paragraphs(), "\n").then(&atlas.table());
        assert!(said.contains("l on m (ハッシュハッシュハッ)") && said.contains("hardly changes colors"), "{said}");
        // Blocks that the other has not are no agreement.
        let other: Atlas = serde_json::from_str(&text.replace("\"X\"", "\"Y\"")).unwrap();
        let said = Text::join(crate::study::atlas::compare(&atlas, &other).paragraphs(), "\n");
        assert!(said.contains("Only in the first: X.") && said.contains("Only in the second: Y."), "{said}");
        assert!(!said.contains("differ nowhere"), "{said}");
    }
}
