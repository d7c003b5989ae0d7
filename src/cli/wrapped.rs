//! Sentences broken into lines between words, Japanese ones too.

use textwrap::core::{Word, display_width};
use textwrap::{Options, WordSeparator};

/// `text` in lines of at most `width` columns, the first one behind `first`, the others behind `others`. What is longer than a line,
/// such as a vector, stays whole, so that it can be copied.
pub fn wrapped(text: &str, width: usize, first: &str, others: &str) -> String {
    let options = Options::new(width).initial_indent(first).subsequent_indent(others).break_words(false);
    textwrap::fill(text, options.word_separator(WordSeparator::Custom(words)))
}

/// A finding as it is drawn, its sentences broken between words. What is quoted of a text stands under marks and stays as it is.
pub fn finding(drawn: &str, width: usize) -> String {
    let line = |(at, line): (usize, &str)| {
        // `  = help: ` and `  |` with or without colours: all that stands before the first letter is the margin.
        let margin = line.find(" = ").filter(|at| !line[..*at].contains('|')).map(|at| at + 3);
        match (at, margin) {
            (0, _) => wrapped(line, width, "", "  "),
            (_, Some(margin)) => wrapped(line, width, "", &" ".repeat(display_width(&line[..margin]) + 2)),
            _ => line.to_owned(),
        }
    };
    drawn.lines().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// The pieces between which a line may be broken: as Unicode has it, but in Latin text at spaces alone.
fn words(text: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    let mut ends = Vec::new();
    let mut at = 0;
    for piece in WordSeparator::UnicodeBreakProperties.find_words(text) {
        at += piece.word.len() + piece.whitespace.len();
        let (before, behind) = (text[..at].chars().next_back(), text[at..].chars().next());
        let inside = [before, behind].iter().all(|c| c.is_some_and(|c| c.is_ascii_graphic()));
        if !inside {
            ends.push(at);
        }
    }
    let mut start = 0;
    Box::new(ends.into_iter().map(move |end| {
        let piece = Word::from(&text[start..end]);
        start = end;
        piece
    }))
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;

    #[test]
    fn lines_end_between_words_and_vectors_stay_whole() {
        let vector = "lbw=1,0.6,1,1,1,1,1,1,1,1,0.6,1";
        let english = format!("suggested: {vector} brings the colours back without the frame.");
        let lines = wrapped(&english, 24, "", "  ");
        let words: Vec<&str> = english.split(' ').collect();
        assert!(lines.lines().all(|line| line.split_whitespace().all(|word| words.contains(&word))), "{lines}");
        assert!(lines.lines().all(|line| line.width() <= 24 || line.trim() == vector), "{lines}");
        let japanese =
            wrapped("OUT04 は色を赤へずらし、線を硬くします。これを外すと色の変化の 24 % がなくなります。", 24, "", "");
        assert!(japanese.lines().count() > 2 && japanese.lines().all(|line| line.width() <= 24), "{japanese}");
        let drawn = "error[E0216]: there is no preset `XLOUTT` among those that are known here, which are many\n --> prompt:1:9\n  |\n\
            1 | a very long prompt that goes on and on and on beyond the line of the terminal = <lora:a:1:lbw=XLOUTT>\n  | ^^^\n  |\n  = help: \
            did you mean `XLOUT`? presets of your own are read from the files of `--presets`";
        let lines = finding(drawn, 40);
        assert!(lines.contains("on beyond the line of the terminal = <lora"), "what is quoted stays: {lines}");
        assert!(lines.lines().filter(|line| !line.starts_with("1 |")).all(|line| line.width() <= 40), "{lines}");
        assert!(lines.contains("\n      ") && lines.starts_with("error[E0216]: there is no preset"), "{lines}");
        assert!(japanese.lines().skip(1).all(|line| !line.starts_with(['、', '。', '%'])), "{japanese}");
    }
}
