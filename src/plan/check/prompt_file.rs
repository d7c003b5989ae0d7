//! Findings about lines of prompt files.

use std::ops::Range;

use crate::diagnostic::{Diagnostic, Source, code};
use crate::plan::Sampler;
use crate::say;

/// A line with `--` that is no command line, and why.
pub fn raw_prompt_line(why: &str, source: &Source) -> Diagnostic {
    let at = source.text.find("--").unwrap_or(0);
    let message = say!("all of this line becomes the prompt: {why}", "この行全体がプロンプトになります: {why}");
    Diagnostic::new(code::RAW_PROMPT_LINE, message)
        .within(source)
        .label(
            at..(at + 2).min(source.text.len()),
            say!("read like a command line", "コマンドラインのように読まれます"),
        )
        .help(say!(
            "write every option as `--name value`, prompts with spaces in double quotes",
            "オプションは `--name value` と書き、空白のあるプロンプトは二重引用符で囲んでください"
        ))
}

/// The name of a sampler that there is not.
pub fn unknown_sampler(name: &str, span: Range<usize>, source: &Source) -> Diagnostic {
    let message = say!(
        "there is no sampler `{name}`, so the default is used",
        "サンプラー `{name}` はないので、既定のものを使います"
    );
    let help = match (Sampler::from_any_name(name), Sampler::nearest(name)) {
        (Some((sampler, _)), _) => {
            let label = sampler.label();
            say!(
                "write `{label}`; the schedule type is an option of its own",
                "`{label}` と書いてください。スケジュールタイプは別のオプションです"
            )
        }
        (None, Some(near)) => say!(
            "take `{near}`, which is nearest to it: `--sampler \"{near}\"`",
            "最も近いのは `{near}` です: `--sampler \"{near}\"`"
        ),
        (None, None) => say!("choose one with `--sampler`", "`--sampler` で選んでください"),
    };
    Diagnostic::new(code::UNKNOWN_SAMPLER, message)
        .within(source)
        .at(span)
        .help(help)
        .help(say!("`lbw txt2img --sampler help` shows the names", "`lbw txt2img --sampler help` で名前がわかります"))
}
