//! What should change, in words people use: what is kept, what comes back from the base model, which picture to come nearer to or to
//! get away from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::diagnostic::Text;
use crate::say;

/// What a picture can be like another in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attribute {
    /// The tone that most of the picture shares.
    Colors,
    /// How hard its edges are.
    Lines,
    /// Colours, lines and sharpness together, wherever things are.
    Style,
    /// What is where.
    Composition,
    /// What the LoRA draws beside what should go.
    Motif,
}

impl Attribute {
    /// All of them, by their names; a character is what the LoRA draws.
    const NAMES: [(&'static str, Attribute); 6] = [
        ("colors", Attribute::Colors),
        ("lines", Attribute::Lines),
        ("style", Attribute::Style),
        ("composition", Attribute::Composition),
        ("motif", Attribute::Motif),
        ("character", Attribute::Motif),
    ];

    fn find(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, attribute)| *attribute)
    }
}

/// One thing that is wanted, and how much.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Wanted<T> {
    /// What.
    pub what: T,
    /// How much it counts among the others.
    pub weight: f64,
}

/// What to come nearer to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The base model's pictures, in this.
    Base(Attribute),
    /// A picture, in its style.
    Picture(PathBuf),
}

/// What should change and what should not.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Goals {
    /// What stays as the whole LoRA has it.
    pub keep: Vec<Wanted<Attribute>>,
    /// What to come nearer to.
    pub toward: Vec<Wanted<Target>>,
    /// Pictures to get away from, in their style.
    pub away: Vec<Wanted<PathBuf>>,
}

impl Goals {
    /// Reads the words of `--keep`, `--toward` and `--away`; what is kept where nothing is said is the motif.
    pub fn parse(keep: &[String], toward: &[String], away: &[String]) -> Result<Self, Text> {
        let mut goals = Goals::default();
        keep.iter().try_for_each(|text| goals.keep(text))?;
        toward.iter().try_for_each(|text| goals.toward(text))?;
        away.iter().try_for_each(|text| goals.away(text))?;
        if goals.keep.is_empty() {
            goals.keep("motif")?;
        }
        goals.refuse_twice()?;
        // The LoRA's own of a thing cannot stay where the base model's is wanted.
        let base = goals.toward.iter().filter_map(|wanted| match wanted.what {
            Target::Base(attribute) => Some(attribute),
            Target::Picture(_) => None,
        });
        if let Some(both) = base.into_iter().find(|base| goals.keep.iter().any(|kept| kept.what == *base)) {
            let name = Attribute::NAMES.iter().find(|(_, known)| *known == both).map_or("", |(name, _)| *name);
            return Err(say!(
                "--toward base-{name} and --keep {name} ask for opposite things",
                "--toward base-{name} と --keep {name} は反対のことを求めています"
            ));
        }
        Ok(goals)
    }

    /// An error where a goal is given twice, or asks for and against the same style.
    fn refuse_twice(&self) -> Result<(), Text> {
        fn first<T: PartialEq>(wanted: &[Wanted<T>]) -> Option<&T> {
            let again = wanted.iter().enumerate().find(|(at, one)| wanted[..*at].iter().any(|w| w.what == one.what));
            again.map(|(_, wanted)| &wanted.what)
        }
        let name =
            |of: Attribute| Attribute::NAMES.iter().find(|(_, known)| *known == of).map_or("", |(name, _)| *name);
        let kept = first(&self.keep).map(|of| format!("--keep {}", name(*of)));
        let toward = first(&self.toward).map(|target| match target {
            Target::Base(of) => format!("--toward base-{}", name(*of)),
            Target::Picture(path) => format!("--toward {}", path.display()),
        });
        let away = first(&self.away).map(|path| format!("--away {}", path.display()));
        if let Some(goal) = kept.or(toward).or(away) {
            return Err(say!("{goal} is given twice", "{goal} が二度指定されています"));
        }
        let mut toward = self.toward.iter().filter_map(|wanted| match &wanted.what {
            Target::Picture(path) => Some(path),
            Target::Base(_) => None,
        });
        let is_both = |path: &&PathBuf| self.away.iter().any(|away| away.what == **path);
        match toward.find(is_both) {
            None => Ok(()),
            Some(path) => {
                let path = path.display();
                Err(say!(
                    "--toward {path} and --away {path} ask for opposite things",
                    "--toward {path} と --away {path} は反対のことを求めています"
                ))
            }
        }
    }

    fn keep(&mut self, text: &str) -> Result<(), Text> {
        for (word, weight) in words(text)? {
            let attribute =
                Attribute::find(word).ok_or_else(|| no_goal(word, &Attribute::NAMES.map(|(name, _)| name)))?;
            self.keep.push(Wanted { what: attribute, weight });
        }
        Ok(())
    }

    fn toward(&mut self, text: &str) -> Result<(), Text> {
        const NAMES: [&str; 4] = ["base-colors", "base-lines", "base-style", "base-composition"];
        for (word, weight) in words(text)? {
            let base = word.strip_prefix("base-").filter(|_| NAMES.contains(&word)).and_then(Attribute::find);
            let what = match base {
                Some(attribute) => Target::Base(attribute),
                None if is_picture(word) => Target::Picture(word.into()),
                None => {
                    return Err(no_goal(word, &NAMES).then(&say!(
                        ", or a picture (a .png, .jpg or .webp) whose style is wanted",
                        "。画風を近づけたい画像 (.png、.jpg、.webp) も指定できます"
                    )));
                }
            };
            self.toward.push(Wanted { what, weight });
        }
        Ok(())
    }

    fn away(&mut self, text: &str) -> Result<(), Text> {
        for (word, weight) in words(text)? {
            if !is_picture(word) {
                return Err(say!(
                    "--away {word}: that is no picture (a .png, .jpg or .webp)",
                    "--away {word}: 画像 (.png、.jpg、.webp) ではありません"
                ));
            }
            self.away.push(Wanted { what: word.into(), weight });
        }
        Ok(())
    }

    /// The pictures that are named.
    pub fn pictures(&self) -> impl Iterator<Item = &PathBuf> {
        let toward = self.toward.iter().filter_map(|wanted| match &wanted.what {
            Target::Picture(path) => Some(path),
            Target::Base(_) => None,
        });
        toward.chain(self.away.iter().map(|wanted| &wanted.what))
    }
}

/// Words separated by commas, each with a weight behind `=`.
fn words(text: &str) -> Result<Vec<(&str, f64)>, Text> {
    let split = |part: &'_ str| -> Result<(usize, f64), Text> {
        let Some((word, weight)) = part.rsplit_once('=') else { return Ok((part.len(), 1.0)) };
        match weight.trim().parse::<f64>() {
            Ok(number) if number.is_finite() && number > 0.0 => Ok((word.len(), number)),
            _ => Err(say!(
                "`{part}`: a weight is a number above 0, as in `base-colors=2`",
                "`{part}`: 重みは `base-colors=2` のような 0 より大きい数値です"
            )),
        }
    };
    text.split(',').map(str::trim).map(|part| split(part).map(|(end, weight)| (part[..end].trim(), weight))).collect()
}

fn is_picture(word: &str) -> bool {
    let extension = std::path::Path::new(word).extension().map(|e| e.to_string_lossy().to_lowercase());
    extension.is_some_and(|e| ["png", "jpg", "jpeg", "webp"].contains(&e.as_str()))
}

fn no_goal(word: &str, names: &[&str]) -> Text {
    let listed = Text::alternatives(names);
    say!("`{word}` is no goal; there are {listed}", "`{word}` は目標になりません。あるのは {listed} です", with listed)
}

/// Which weights a block may have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bound {
    /// The block, as it is written.
    pub block: String,
    /// The least weight.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

/// The largest weight that a bound may have: nothing is seen beyond.
const LARGEST: f64 = 100.0;

impl Bound {
    /// Reads several; a block that is named twice has the last bound.
    pub fn parse_all(texts: &[String]) -> Result<Vec<Self>, Text> {
        texts.iter().flat_map(|text| text.split(',')).map(Bound::parse).collect()
    }

    /// Reads `M00=1` (it stays so) or `OUT05=0.5..1.2`.
    pub fn parse(text: &str) -> Result<Self, Text> {
        let wrong = || {
            say!(
                "`{text}`: a bound is written `M00=1` or `OUT05=0.5..1.2`",
                "`{text}`: 範囲は `M00=1` や `OUT05=0.5..1.2` のように書きます"
            )
        };
        let (block, range) = text.split_once('=').ok_or_else(wrong)?;
        let (least, most) = range.split_once("..").unwrap_or((range, range));
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite()).ok_or_else(wrong);
        let (least, most) = (number(least)?, number(most)?);
        if [least, most].iter().any(|weight| weight.abs() > LARGEST) {
            return Err(say!(
                "`{text}`: the weight of a block lies between -{LARGEST} and {LARGEST}",
                "`{text}`: ブロックの重みは -{LARGEST} から {LARGEST} までです"
            ));
        }
        if least > most {
            return Err(say!(
                "`{text}`: the first number of a bound is the smaller one",
                "`{text}`: 範囲は小さい数を先に書きます"
            ));
        }
        Ok(Bound { block: block.trim().to_owned(), least, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(keep: &str, toward: &str, away: &str) -> Result<Goals, Text> {
        let words = |text: &str| if text.is_empty() { Vec::new() } else { vec![text.to_owned()] };
        Goals::parse(&words(keep), &words(toward), &words(away))
    }

    #[test]
    fn goals_are_words_with_weights() {
        let goals = parsed("motif, colors=2", "base-lines=0.5,wanted.png=3", "ugly.jpg").unwrap();
        let weights: Vec<f64> = goals.keep.iter().map(|w| w.weight).collect();
        assert_eq!(weights, [1.0, 2.0]);
        assert_eq!(goals.keep[1].what, Attribute::Colors);
        assert_eq!(goals.toward[0].what, Target::Base(Attribute::Lines));
        assert_eq!(goals.pictures().count(), 2);
        for wrong in ["colours", "base-motif", "base-colors=0", "base-colors=x", ",", "base-lines,"] {
            assert!(parsed("", wrong, "").is_err(), "{wrong}");
        }
        assert!(parsed("face", "", "").unwrap_err().contains("character"));
        assert!(parsed("", "", "ugly.txt").is_err());
        for (keep, toward, away) in [
            ("motif,character", "base-lines", ""),
            ("", "base-lines,base-lines=2", ""),
            ("", "a.png,a.png", ""),
            ("", "a.png", "a.png"),
            ("", "", "a.png,a.png"),
        ] {
            assert!(parsed(keep, toward, away).is_err(), "{keep} {toward} {away}");
        }
        assert_eq!(parsed("", "base-lines", "").unwrap().keep[0].what, Attribute::Motif);
    }

    #[test]
    fn bounds_hold_or_leave_room() {
        assert_eq!(Bound::parse("M00=1"), Ok(Bound { block: "M00".into(), least: 1.0, most: 1.0 }));
        assert_eq!(Bound::parse("OUT05=-0.5..1.5").unwrap().least, -0.5);
        for wrong in ["M00", "M00=", "M00=1..0", "M00=a..b", "M00=inf", "M00=1e38", "M00=-101..1"] {
            assert!(Bound::parse(wrong).is_err(), "{wrong}");
        }
    }
}
