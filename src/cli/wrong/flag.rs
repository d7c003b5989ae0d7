//! What a flag that there is not may have meant.

use clap::Command;

use crate::diagnostic::{Text, did_you_mean};
use crate::say;

/// Flags of other programs, without hyphens, and the flag that does the same here.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (
        &[
            "outdir",
            "outpath",
            "out",
            "out-dir",
            "output-dir",
            "output-path",
            "save",
            "save-path",
            "savepath",
            "dest",
            "to",
            "folder",
        ],
        "output",
    ),
    (&["negatives", "neg-prompt", "uncond", "negative-text"], "negative-prompt"),
    (
        &["count", "num", "number", "images", "num-images", "num-samples", "n-samples", "samples", "repeat", "n"],
        "n-iter",
    ),
    (&["num-inference-steps", "sampling-steps", "step", "iterations"], "steps"),
    (&["scale", "guidance", "cfgscale"], "cfg-scale"),
    (&["scheduler-type", "noise-schedule", "schedule-name"], "schedule-type"),
    (&["method", "sample-method"], "sampler"),
    (&["w"], "width"),
    (&["h"], "height"),
    (&["resolution", "res", "dimensions"], "size"),
    (&["checkpoints", "model-path", "model-name", "base-model", "weights-path", "safetensors", "model-file"], "model"),
    (&["vae-path", "vae-name"], "vae"),
    (&["lora-path", "loras", "lora-folder", "lora-models", "lycoris-dir", "lyco-dir"], "lora-dir"),
    (&["embeddings", "embedding-dir", "textual-inversion-dir", "ti-dir"], "embeddings-dir"),
    (&["webui", "webui-path", "sd-webui", "a1111", "data-dir"], "webui-dir"),
    (&["image", "img", "input", "input-image", "from-image", "init-picture", "source"], "init"),
    (&["denoise-strength", "img2img-strength"], "denoising-strength"),
    (&["upscale", "upscale-by", "hires-scale", "hr-scale"], "hires-upscale"),
    (&["gpu", "cuda", "use-cpu"], "device"),
    (&["fp16", "half", "dtype", "bf16"], "precision"),
    (&["style-name"], "style"),
    (&["preset", "preset-file", "lbw-presets"], "presets"),
    (&["language", "locale"], "lang"),
    (&["silent", "q"], "quiet"),
    (&["check", "test", "dryrun", "simulate", "no-draw"], "dry-run"),
    (&["werror", "pedantic"], "strict"),
];

/// Flags that other programs need and this one does not.
const NEEDLESS: &[&str] = &[
    "xformers",
    "opt-sdp-attention",
    "medvram",
    "lowvram",
    "no-half",
    "no-half-vae",
    "precision-full",
    "upcast-sampling",
    "skip-torch-cuda-test",
    "disable-nan-check",
    "safe",
    "nsfw",
    "no-nsfw",
    "api",
    "listen",
    "autolaunch",
];

/// A flag without its hyphens and its value, as flags here are written.
pub fn plain(written: &str) -> String {
    let name = written.split('=').next().unwrap_or_default();
    name.trim_start_matches(is_dash).trim_start_matches('/').to_lowercase().replace('_', "-")
}

/// Whether a letter stands for a hyphen where programs of texts have put another one.
pub fn is_dash(c: char) -> bool {
    matches!(c, '-' | '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '－' | 'ー')
}

/// The long flag called `name` in any command of `root`, its aliases included.
pub fn known(name: &str, root: &Command) -> Option<String> {
    longs(root).find(|(flag, names)| flag == name || names.iter().any(|n| n == name)).map(|(flag, _)| flag)
}

/// Every long flag of a command and of those in it, with its aliases.
fn longs(command: &Command) -> impl Iterator<Item = (String, Vec<String>)> + use<> {
    let of = |command: &Command| -> Vec<(String, Vec<String>)> {
        let named = command.get_arguments().filter_map(|arg| {
            let others = arg.get_all_aliases().unwrap_or_default().into_iter().map(str::to_owned).collect();
            Some((arg.get_long()?.to_owned(), others))
        });
        named.collect()
    };
    let inner: Vec<_> = command.get_subcommands().flat_map(longs).collect();
    of(command).into_iter().chain(inner)
}

/// What to do about the flag `written`, which `command` of `root` does not have.
pub fn advice(written: &str, command: &Command, root: &Command) -> Option<Text> {
    let name = plain(written);
    let own: Vec<(String, Vec<String>)> = longs(command).collect();
    let has = |flag: &str| own.iter().any(|(long, _)| long == flag);
    if name == "lora" || name == "lyco" {
        return Some(say!(
            "a LoRA is a tag in the prompt: `<lora:NAME:1>`; `--lora-dir` names the folder",
            "LoRA はプロンプトの中のタグです: `<lora:名前:1>`。フォルダーは `--lora-dir` で指定します"
        ));
    }
    if NEEDLESS.contains(&name.as_str()) {
        return Some(say!("leave it out: lbw does not need it", "省いてください。lbw には要りません"));
    }
    let meant = ELSEWHERE.iter().find(|(names, flag)| names.contains(&name.as_str()) && has(flag));
    let near = || {
        let names = own.iter().flat_map(|(long, others)| std::iter::once(long).chain(others));
        did_you_mean(&name, names.map(String::as_str)).map(str::to_owned)
    };
    if let Some(flag) = meant.map(|(_, flag)| (*flag).to_owned()).or_else(near) {
        return Some(say!("did you mean `--{flag}`?", "`--{flag}` のことですか?"));
    }
    let others =
        root.get_subcommands().filter(|other| longs(other).any(|(long, names)| long == name || names.contains(&name)));
    let commands: Vec<String> = others.map(|other| format!("`lbw {}`", other.get_name())).take(3).collect();
    let commands = Text::alternatives(&commands);
    (!commands.is_empty()).then(|| say!("it belongs to {commands}", "{commands} のフラグです", with commands))
}
