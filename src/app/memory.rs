//! How much memory pictures take, and how much they may: for words before anything is drawn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Device;

use super::catalogue::ModelFiles;
use super::error::{Error, ErrorKind, Result};
use super::session::Session;
use super::studio::{EngineSettings, open_engine};
use crate::diagnostic::{Diagnostic, Language, Text, code};
use crate::engine::{Engine, EngineError, amount};
pub use crate::engine::{Needs, Savings};
use crate::model::ops::free_memory;
use crate::plan::Plan;
use crate::say;

/// The bytes that `text` allows: `8g`, `500m`, or `auto`, which is what is free on `device` now.
pub fn allowed(text: &str, device: &Device) -> Result<u64> {
    let lower = text.trim().to_ascii_lowercase();
    if lower == "auto" {
        return free(device).ok_or_else(|| {
            let message = say!(
                "--memory auto: how much is free here cannot be found out",
                "--memory auto: 空きメモリーの量を調べられません"
            );
            Error::new(ErrorKind::Device, code::NO_MEMORY, message)
                .help(say!("say how much: `--memory 8g`", "`--memory 8g` のように量を指定してください"))
        });
    }
    const UNITS: [(&str, u32); 6] = [("gib", 30), ("gb", 30), ("g", 30), ("mib", 20), ("mb", 20), ("m", 20)];
    const MOST: f64 = 1e18;
    let parts = UNITS.iter().find_map(|(unit, power)| Some((lower.strip_suffix(unit)?, f64::from(1u32 << power))));
    let bytes = parts.and_then(|(number, unit)| Some(number.trim().parse::<f64>().ok()? * unit));
    match bytes {
        Some(bytes) if (1.0..MOST).contains(&bytes) => Ok(bytes as u64),
        _ => {
            let message =
                say!("--memory {text}: this is no amount of memory", "--memory {text}: メモリーの量ではありません");
            Err(Error::words(code::USAGE, message).help(say!(
                "write `8g`, `500m`, or `auto` for what is free",
                "`8g`、`500m`、または空いている分を使う `auto` と書いてください"
            )))
        }
    }
}

/// Bytes that opening a card takes, at least.
const OPENED: u64 = 256 << 20;

/// What is free on `device`.
fn free(device: &Device) -> Option<u64> {
    if !device.is_cpu() {
        // The card is open: a part of what is counted as its own is taken already. The rest is for whatever else draws on a screen.
        return free_memory(device).map(|bytes| bytes + OPENED - bytes / 32);
    }
    // Linux tells in files; a crate that asks other systems, too, would have every crate built anew for one number.
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let line =
        read("/proc/meminfo")?.lines().find_map(|line| Some(line.strip_prefix("MemAvailable:")?.trim().to_owned()))?;
    let available = line.trim_end_matches("kB").trim().parse::<u64>().ok()? << 10;
    // Inside of a container less may be had than the machine has.
    let group = read("/proc/self/cgroup").and_then(|text| Some(text.trim().strip_prefix("0::")?.to_owned()));
    let of_group = |name| read(&format!("/sys/fs/cgroup{}/{name}", group.as_deref()?))?.trim().parse::<u64>().ok();
    let within = of_group("memory.max").zip(of_group("memory.current")).map(|(most, now)| most.saturating_sub(now));
    Some(available.min(within.unwrap_or(u64::MAX)))
}

/// Checkpoints whose headers are kept.
const ENGINES: usize = 8;

/// Of each checkpoint's pictures, told by an engine that reads headers alone.
pub struct Memory {
    session: Arc<Session>,
    settings: EngineSettings,
    engines: Mutex<HashMap<ModelFiles, Option<Engine>>>,
}

impl Memory {
    /// What pictures take that are drawn with these settings.
    pub fn new(session: &Arc<Session>, settings: EngineSettings) -> Self {
        Memory { session: session.clone(), settings, engines: Mutex::default() }
    }

    /// What is to be said of the settings, whatever is drawn.
    pub fn found(&self) -> Vec<Diagnostic> {
        self.settings.without_gain()
    }

    /// What is to be said of `plan`: that it takes too much, or what is saved. Nothing where there is no limit.
    pub fn check(&self, plan: &Plan, model: &ModelFiles) -> Vec<Diagnostic> {
        match self.settings.memory.and_then(|_| self.of(plan, model)) {
            None => Vec::new(),
            Some(Ok((needs, savings))) => saved(&needs, savings).into_iter().collect(),
            Some(Err(error)) => error.findings,
        }
    }

    /// What `plan` takes and what is saved; nothing where its files cannot be opened, which is told elsewhere.
    pub fn of(&self, plan: &Plan, model: &ModelFiles) -> Option<Result<(Needs, Savings)>> {
        if self.session.catalogue.remote.is_some() {
            return None;
        }
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        let open = || {
            let mut embeddings = self.session.embeddings.clone();
            open_engine(model, &self.session, &mut embeddings, &self.settings).ok().map(|(engine, _)| engine)
        };
        if engines.len() >= ENGINES && !engines.contains_key(model) {
            engines.clear();
        }
        let engine = engines.entry(model.clone()).or_insert_with(open).as_mut()?;
        let needs = engine.needs(plan).ok()?;
        match engine.save_memory(plan) {
            Ok(savings) => Some(Ok((needs, savings))),
            Err(error @ EngineError::Memory(_)) => Some(Err(error.into())),
            Err(_) => None,
        }
    }
}

/// What a picture takes, and what is left of that where it is to get by with less: a line.
pub fn taken(needs: &Needs, savings: Savings) -> Text {
    let [all, weights, step, picture, less] =
        [needs.all(), needs.text + needs.unet + needs.vae, needs.step, needs.picture, needs.with(savings)].map(amount);
    match less == all {
        true => say!(
            "memory: about {all} (weights {weights}, a step {step}, between latents and pictures {picture})",
            "メモリー: 約 {all} (重み {weights}、1 ステップ {step}、潜在画像と画像の変換 {picture})"
        ),
        false => say!(
            "memory: about {less} in place of {all} (weights {weights}, a step {step}, between latents and pictures {picture})",
            "メモリー: 約 {less}、節約しなければ {all} (重み {weights}、1 ステップ {step}、潜在画像と画像の変換 {picture})"
        ),
    }
}

/// What is saved, and what that costs; nothing where nothing is.
pub fn saved(needs: &Needs, savings: Savings) -> Option<Diagnostic> {
    let bands = savings.bands.then(|| say!("the picture is decoded some rows at a time", "画像を数行ずつ復号します"));
    let text = savings.text.then(|| {
        say!(
            "the text encoders' weights are read again for each prompt",
            "テキストエンコーダーの重みをプロンプトごとに読み直します"
        )
    });
    let unet = savings.unet.map(|kept| {
        let share = 100 - (100 * kept.min(needs.unet)) / needs.unet.max(1);
        say!(
            "{share} % of the UNet's weights are read again at each step",
            "UNet の重みの {share} % をステップごとに読み直します"
        )
    });
    let all: Vec<Text> = [bands, text, unet].into_iter().flatten().collect();
    (!all.is_empty()).then(|| {
        let joined = |language, between: &str| {
            all.iter().map(|text| text.in_language(language)).collect::<Vec<_>>().join(between)
        };
        let what = Text::new(joined(Language::En, "; "), joined(Language::Ja, "。"));
        let message = say!(
            "to get along with the memory: {what}. It takes longer, and a byte of the picture may differ by 1",
            "メモリーに収めるため: {what}。時間が長くかかり、画像のバイトが 1 だけ違うことがあります",
            with what
        );
        Diagnostic::new(code::SAVES_MEMORY, message)
    })
}
