//! Layers of settings: defaults under the model's own size, webui's configuration, the text, the caller.

use super::catalogue::Catalogue;
use super::error::Error;
use super::random::drawn_seed;
use super::webui::WebuiConfig;
use crate::diagnostic::{Diagnostic, Said, code, did_you_mean};
use crate::plan::{LatentUpscaler, Patch, Settings, Wanted};
use crate::say;
use crate::upscale::{NoUpscaler, UpscalerIndex};

/// What the caller sets, and how it stands to what the texts say.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Flags, or the fields of a request.
    pub patch: Patch,
    /// Whether the texts win: the caller's values are then for texts that say nothing else.
    pub is_default: bool,
    /// Whether warnings refuse, too.
    pub strict: bool,
}

/// webui's denoising strength of img2img, where none is given.
pub(super) const IMG2IMG_STRENGTH: f64 = 0.75;

/// What remains when everything is laid over each other. `is_pasted`: another program wrote the text.
pub(super) fn layers(
    catalogue: &Catalogue,
    config: &WebuiConfig,
    caller: &Caller,
    mut text: Patch,
    is_pasted: bool,
) -> Patch {
    if is_pasted && !catalogue.has_models() {
        // There is nowhere to look up what was a file on another machine; its hash is compared with what is used.
        text.remove("model");
        text.remove("vae");
    }
    let config = config.patch.clone().with(&catalogue.settings);
    match caller.is_default {
        true => config.with(&caller.patch).with(&text),
        false => config.with(&text).with(&caller.patch),
    }
}

/// Puts in what depends on the rest: the LoRA behind every prompt, and the sampler's eta where none was given.
pub(super) fn finish(config: &WebuiConfig, wanted: &mut Wanted) {
    let tag = config.lora_tag().filter(|tag| !wanted.texts.prompt.contains(tag.as_str()));
    wanted.texts.prompt.extend(tag);
    if wanted.settings.eta.is_none() {
        wanted.settings.eta = config.eta(wanted.settings.sampler);
    }
}

/// Draws the seeds that are left open; says whether that of the image was.
pub(super) fn draw_seeds(patch: &Patch, wanted: &mut Wanted) -> bool {
    let is_open = !patch.has_seed();
    if is_open {
        wanted.settings.seed = drawn_seed();
    }
    let has_subseed = patch.get("subseed").is_some_and(serde_json::Value::is_u64);
    if wanted.settings.subseed_strength != 0.0 && !has_subseed {
        wanted.settings.subseed = drawn_seed();
    }
    is_open
}

/// A value that can be drawn with but hardly was meant.
pub(super) fn unusual(settings: &Settings) -> Option<Diagnostic> {
    const HIGHEST: f64 = 50.0;
    let scale = settings.cfg_scale;
    (scale.abs() > HIGHEST).then(|| {
        let message = say!(
            "a CFG scale of {scale} burns the picture: nearly all are from 1 to 15",
            "CFG スケール {scale} では絵が焼けます。ふつうは 1〜15 です"
        );
        let meant = scale / 100.0;
        Diagnostic::new(code::UNUSUAL_VALUE, message)
            .help(say!("perhaps {meant} is meant", "{meant} のことかもしれません"))
    })
}

/// `latent`: what enlarges between two passes, where a second pass is asked for.
pub(super) fn no_upscaler(error: &NoUpscaler, index: &UpscalerIndex, latent: &[LatentUpscaler]) -> Error {
    let latent: Vec<&str> = latent.iter().map(|u| u.label()).collect();
    let names = [&latent[..], &index.names()].concat();
    let near = match error {
        NoUpscaler::Unknown { name, near } => near.as_deref().or_else(|| did_you_mean(name, latent.iter().copied())),
        _ => None,
    };
    let listed = names.join(", ");
    let found = Error::words(code::NO_UPSCALER, error.said());
    match near {
        Some(near) => found.help(say!("did you mean `{near}`?", "`{near}` のことですか?")),
        None if latent.is_empty() => found.help(say!(
            "there are {listed}; more are found in --upscaler-dir and --webui-dir",
            "選べるもの: {listed}。--upscaler-dir と --webui-dir のものも使えます"
        )),
        None => found.help(say!(
            "there are {listed}; more are found in --upscaler-dir and --webui-dir. --no-hires leaves the second pass out",
            "選べるもの: {listed}。--upscaler-dir と --webui-dir のものも使えます。--no-hires で第 2 パスを省けます"
        )),
    }
}
