//! Slips: words that would be taken for prompts and are none.

use std::path::Path;

use clap::{ArgMatches, Command};

use super::flag;
use crate::app::{Error, ErrorKind, FileKind};
use crate::cli::root::whole;
use crate::diagnostic::{code, did_you_mean};
use crate::say;

/// Words that people type for a command that has another name.
const COMMANDS: [(&[&str], &str); 10] = [
    (&["generate", "gen", "draw", "image", "txt2image", "text2img", "t2i", "render"], "txt2img"),
    (&["i2i", "image2image", "img2image"], "img2img"),
    (&["grid", "plot", "xyzplot", "xy"], "xyz"),
    (&["eba", "analyzer", "analyser", "effective"], "analyze"),
    (&["optimize", "optimise", "autotune", "tuning"], "tune"),
    (&["benchmark", "speed"], "bench"),
    (&["validate", "lint", "verify"], "check"),
    (&["metadata", "pnginfo", "png-info", "exif"], "info"),
    (&["list", "ls"], "loras"),
    (&["completion", "complete"], "completions"),
];

/// What is wrong with the first word of a command line that names no command, where it was not meant as a prompt.
pub fn first_word(word: &str, root: &Command) -> Option<Error> {
    if word.chars().any(char::is_whitespace) || word.starts_with('-') {
        return None;
    }
    if let Some(error) = file(word) {
        return Some(error);
    }
    let names: Vec<&str> = root.get_subcommands().map(Command::get_name).collect();
    let lower = word.to_lowercase();
    let meant = COMMANDS.iter().find(|(words, _)| words.contains(&lower.as_str())).map(|(_, name)| *name);
    let meant = meant.filter(|name| names.contains(name)).or_else(|| did_you_mean(word, names.iter().copied()))?;
    let message = say!("there is no command `{word}`", "コマンド `{word}` はありません");
    Some(Error::words(code::SLIP, message).help(say!(
        "did you mean `lbw {meant}`? `lbw txt2img {word}` draws the word",
        "`lbw {meant}` のことですか? この言葉を描くには `lbw txt2img {word}` とします"
    )))
}

/// What is wrong with prompts as they stand on a command line, each a word to the shell.
pub fn prompts(prompts: &[String]) -> Result<(), Error> {
    for word in prompts {
        if let Some(error) = dash(word).or_else(|| slash(word)).or_else(|| assignment(word)).or_else(|| quote(word)) {
            return Err(error);
        }
    }
    match prompts {
        [word] => file(word).map_or(Ok(()), Err),
        [_, ..] if prompts.iter().all(|word| is_bare(word)) => Err(bare(prompts)),
        [_, ..] if prompts.iter().any(|word| answer(word).is_some() || file(word).is_some()) => {
            prompts.iter().find_map(|word| answer(word).or_else(|| file(word))).map_or(Ok(()), Err)
        }
        _ => Ok(()),
    }
}

/// What is wrong with the words that a command takes for files: flags whose hyphens are none.
pub fn dashes(matches: &ArgMatches, command: &Command) -> Result<(), Error> {
    for arg in command.get_positionals() {
        let words = matches.try_get_raw(arg.get_id().as_str()).ok().flatten();
        for word in words.into_iter().flatten().filter(|word| !Path::new(word).exists()) {
            dash(&word.to_string_lossy()).map_or(Ok(()), Err)?;
        }
    }
    match matches.subcommand() {
        Some((name, inner)) => command.find_subcommand(name).map_or(Ok(()), |command| dashes(inner, command)),
        None => Ok(()),
    }
}

/// `—steps`: a hyphen that a program of texts has made longer.
fn dash(word: &str) -> Option<Error> {
    let first = word.chars().next().filter(|c| flag::is_dash(*c) && *c != '-')?;
    if !word.trim_start_matches(flag::is_dash).starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let message = say!(
        "`{word}` begins with `{first}`, which is no hyphen, and so is no flag",
        "`{word}` の先頭は `{first}` で、ハイフンではないのでオプションになりません"
    );
    let meant = flag::plain(word);
    Some(Error::words(code::SLIP, message).help(say!("write `--{meant}`", "`--{meant}` と書いてください")))
}

/// `/steps`: a flag as other systems write them.
fn slash(word: &str) -> Option<Error> {
    let name = word.strip_prefix('/')?;
    let meant = flag::known(&flag::plain(name), &whole()).filter(|_| !Path::new(word).exists())?;
    let message = say!("`{word}` would be drawn as a prompt", "`{word}` はプロンプトとして描かれてしまいます");
    Some(Error::words(code::SLIP, message).help(say!("write `--{meant}`", "`--{meant}` と書いてください")))
}

/// `steps=20`: a setting without its hyphens.
fn assignment(word: &str) -> Option<Error> {
    let (name, value) = word.split_once('=')?;
    if word.chars().any(char::is_whitespace) || word.contains('<') {
        return None;
    }
    let meant = flag::known(&flag::plain(name), &whole())?;
    let message = say!("`{word}` would be drawn as a prompt", "`{word}` はプロンプトとして描かれてしまいます");
    Some(
        Error::words(code::SLIP, message)
            .help(say!("write `--{meant} {value}`", "`--{meant} {value}` と書いてください")),
    )
}

/// `“red`: quotes that are letters to the shell.
fn quote(word: &str) -> Option<Error> {
    const PAIRS: [(char, char); 4] = [('“', '”'), ('‘', '’'), ('„', '“'), ('＂', '＂')];
    let first = word.chars().next()?;
    let (open, close) = PAIRS.into_iter().find(|(open, _)| *open == first)?;
    let closed = word.chars().skip(1).any(|c| c == close);
    // A prompt in curly quotes, itself quoted, is what it is.
    if closed && word.chars().any(char::is_whitespace) {
        return None;
    }
    let message = say!(
        "`{open}` is a letter to the shell and not a quotation mark",
        "`{open}` はシェルにとって引用符ではなく文字です"
    );
    Some(Error::words(code::SLIP, message).help(say!("write `\"` on both sides", "両側に `\"` を書いてください")))
}

/// `yes`, where a flag stands before that is on or off by itself.
fn answer(word: &str) -> Option<Error> {
    let answers = ["yes", "no", "true", "false", "on", "off"];
    answers.iter().find(|answer| answer.eq_ignore_ascii_case(word))?;
    let message = say!("`{word}` would be drawn as a prompt", "`{word}` はプロンプトとして描かれてしまいます");
    Some(Error::words(code::SLIP, message).help(say!(
        "the value of a flag that is on or off follows `=`: `--tiling=true`",
        "オンオフのフラグの値は `=` で続けてください: `--tiling=true`"
    )))
}

/// A word without spaces, which nobody had to quote.
fn is_bare(word: &str) -> bool {
    !word.is_empty() && word != "-" && !word.chars().any(char::is_whitespace)
}

fn bare(prompts: &[String]) -> Error {
    let (whole, count) = (prompts.join(" "), prompts.len());
    let several = prompts.iter().take(3).map(|word| format!("--prompt {word}")).collect::<Vec<_>>().join(" ");
    let more = if count > 3 { " …" } else { "" };
    let message = say!(
        "{count} words without quotes would be {count} pictures",
        "引用符のない {count} 語は {count} 枚の画像になります"
    );
    Error::words(code::SLIP, message)
        .help(say!(
            "one picture: put the prompt in quotes, `\"{whole}\"`",
            "1 枚なら、プロンプトを引用符で囲んでください: `\"{whole}\"`"
        ))
        .help(say!("several pictures: `{several}{more}`", "複数なら: `{several}{more}`"))
}

/// The name of a file, which is no prompt.
fn file(word: &str) -> Option<Error> {
    let path = Path::new(word);
    if path.is_dir() && !word.is_empty() {
        let message = say!("`{word}` is a folder and not a prompt", "`{word}` はプロンプトではなくフォルダーです");
        return Some(
            Error::words(code::SLIP, message)
                .help(say!(
                    "`lbw batch {word}` draws the pictures in it again",
                    "`lbw batch {word}` で中の画像を描き直します"
                ))
                .help(say!("`--prompt {word}` draws the word", "この言葉を描くには `--prompt {word}` とします")),
        );
    }
    let kind = FileKind::of_name(path)?;
    if !path.exists() {
        let message = say!("{word}: there is no such file", "{word}: そのファイルはありません");
        let error = Error::new(ErrorKind::File, code::NO_FILE, message);
        return Some(
            error.help(say!("`--prompt {word}` draws the word", "この言葉を描くには `--prompt {word}` とします")),
        );
    }
    let message = say!("`{word}` is a file and not a prompt", "`{word}` はプロンプトではなくファイルです");
    Some(kind.uses(word).into_iter().fold(Error::words(code::SLIP, message), Error::help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Text;

    fn told(words: &[&str]) -> Option<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let error = prompts(&words).err()?;
        let help: Vec<Text> = error.findings.into_iter().flat_map(|found| found.help).collect();
        Some(Text::join(help, " | ").to_string())
    }

    #[test]
    fn slips_are_told_from_prompts() {
        let says = |words: &[&str], advice: &str| {
            let said = told(words).unwrap_or_else(|| panic!("{words:?} passes"));
            assert!(said.contains(advice), "{words:?}: {said}");
        };
        for dashed in ["—steps", "–steps", "−−steps", "―steps"] {
            says(&["red circle", dashed, "20"], "`--steps`");
        }
        says(&["red circle", "/steps", "20"], "`--steps`");
        says(&["red circle", "steps=20"], "`--steps 20`");
        says(&["cfg_scale=7"], "`--cfg-scale 7`");
        says(&["“red", "circle”"], "`\"` on both sides");
        says(&["red", "circle", "on", "blue"], "`\"red circle on blue\"`");
        says(&["red circle", "yes"], "`--tiling=true`");
        says(&["red circle", "nowhere.png"], "--prompt nowhere.png");
        says(&["cat", "dog"], "`--prompt cat --prompt dog`");
        says(&["nowhere.png"], "--prompt nowhere.png");
        for fine in [
            &["red circle"][..],
            &["red circle", "blue square"],
            &["circle"],
            &["“red circle”"],
            &["-"],
            &["e=mc2"],
            &["<lora:house:1:lbw=XLOUT>"],
            &["1girl, solo", "cat"],
            &["—"],
            &["v1.5"],
        ] {
            assert_eq!(told(fine), None, "{fine:?}");
        }
    }

    #[test]
    fn words_near_commands_are_told() {
        let advice = |word: &str| first_word(word, &whole()).map(|error| error.findings[0].help[0].to_string());
        for (word, command) in
            [("plna", "plan"), ("analyse", "analyze"), ("Batch", "batch"), ("pnginfo", "info"), ("xyzz", "xyz")]
        {
            let said = advice(word).unwrap_or_else(|| panic!("{word} passes"));
            assert!(said.contains(&format!("`lbw {command}`")), "{said}");
        }
        for fine in ["1girl", "a plan of a house", "cat", "house", "circle", "masterpiece"] {
            assert_eq!(advice(fine), None, "{fine}");
        }
    }
}
