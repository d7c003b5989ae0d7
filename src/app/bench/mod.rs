//! How long the parts of a picture take on this machine.

mod compare;

use candle_core::{Device, DeviceLocation};
use std::ops::ControlFlow;
use std::time::Instant;

use serde::Serialize;

use super::answer::Answer;
use super::error::{Error, Result};
use super::session::Session;
use super::studio::{EngineSettings, open_engine};
use crate::diagnostic::{Diagnostic, Text, code};
use crate::engine::{Engine, Event, unobserved};
use crate::model::ops::{CardPeak, card_peak};
use crate::plan::{Plan, Request, Sampler, Settings, lower};
use crate::preset::PresetSet;
use crate::say;
use crate::text::EmbeddingFiles;
use compare::{Difference, compare};

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Width and height; without any, one that the model is made for.
    pub sizes: Vec<(u32, u32)>,
    /// Batches: 1 is a CFG scale of 1, 2 is prompt and negative prompt, more are prompts joined by AND.
    pub batches: Vec<u32>,
    /// Evaluations of the UNet per number; the median is given.
    pub rounds: u32,
    /// The LoRA to merge and re-weight.
    pub lora: Option<String>,
    /// Leave the VAE out.
    pub skip_vae: bool,
    /// Draw a picture on the CPU in f32 as well, and tell the difference.
    pub compare: bool,
}

/// What was measured. Times are seconds, memory is bytes.
#[derive(Debug, Serialize)]
pub struct Report {
    version: &'static str,
    model: String,
    device: String,
    precision: &'static str,
    threads: usize,
    instructions: Vec<&'static str>,
    rounds: u32,
    open: f64,
    load: f64,
    text: f64,
    sizes: Vec<SizeReport>,
    lora: Option<LoraReport>,
    difference: Option<Difference>,
    peak_memory: Option<u64>,
    card: Option<CardPeak>,
}

#[derive(Debug, Serialize)]
struct SizeReport {
    width: u32,
    height: u32,
    unet: Vec<UnetReport>,
    vae_decode: Option<f64>,
    /// The most of a card's memory until then.
    card: Option<CardPeak>,
}

/// One evaluation of the UNet for all of a batch together.
#[derive(Debug, Serialize)]
struct UnetReport {
    batch: u32,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct LoraReport {
    name: String,
    /// Putting the whole LoRA in force for the first time, and the number of parameters made anew.
    merge: f64,
    /// The same where another strength of it was in force: memory for the merged weights is at hand.
    merge_again: f64,
    merged_parameters: usize,
    /// Changing the weight of one block.
    reweight: Vec<BlockReport>,
}

#[derive(Debug, Serialize)]
struct BlockReport {
    block: String,
    seconds: f64,
    parameters: usize,
}

/// Measures, and says what it is at.
pub fn measure(
    session: &Session,
    settings: &EngineSettings,
    wish: &Wish,
    say: &mut dyn FnMut(Diagnostic),
) -> Result<Report> {
    let started = Instant::now();
    let model = session.model()?;
    let is_embedded = session.is_embedded();
    let lora = wish.lora.clone().or_else(|| is_embedded.then(|| "overcooked".to_owned()));
    let sizes = match wish.sizes.as_slice() {
        [] if is_embedded => vec![(128, 128)],
        [] => vec![(512, 512)],
        given => given.to_vec(),
    };
    let (engine, found) = open_engine(&model, session, &mut EmbeddingFiles::default(), settings)?;
    found.into_iter().for_each(&mut *say);
    let precision = engine.precision().name();
    let mut bench = Bench { engine, device: &settings.device, rounds: wish.rounds, say };
    let open = started.elapsed().as_secs_f64();
    if let Some(name) = &lora {
        // A wrong name is said now, not after minutes.
        bench.engine.networks(&with_lora(name, "XLALL")?)?;
    }
    // As in a picture's own order: weights of the text encoders that do not stay are gone before those of the UNet come.
    let (text, text_load) = bench.text()?;
    let started = Instant::now();
    bench.engine.load(&mut unobserved)?;
    let load = text_load + started.elapsed().as_secs_f64();
    let seconds = format!("{:.2}", open + load);
    bench.say(say!("loaded in {seconds} s", "読み込み {seconds} 秒"));
    let measured = sizes.iter().map(|size| bench.size(*size, wish)).collect::<Result<_>>()?;
    let lora = lora.map(|name| bench.lora(&name)).transpose()?;
    let (peak_memory, card) = (peak_memory(), card_peak(&settings.device));
    drop(bench);
    let size = sizes.first().copied().filter(|_| wish.compare);
    Ok(Report {
        version: env!("CARGO_PKG_VERSION"),
        model: model.checkpoint.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
        device: name_of(&settings.device),
        precision,
        threads: rayon::current_num_threads(),
        instructions: instructions(),
        rounds: wish.rounds,
        open,
        load,
        text,
        sizes: measured,
        lora,
        difference: size.map(|size| compare(session, settings, size)).transpose()?,
        peak_memory,
        card,
    })
}

struct Bench<'a> {
    engine: Engine,
    device: &'a Device,
    rounds: u32,
    say: &'a mut dyn FnMut(Diagnostic),
}

impl Bench<'_> {
    fn say(&mut self, text: Text) {
        (self.say)(Diagnostic::new(code::MEASURED, text));
    }

    /// Median time of both text encoders for one chunk of prompt and negative prompt, and how much longer the first one took
    /// for reading the weights.
    fn text(&mut self) -> Result<(f64, f64)> {
        let mut times = Vec::new();
        for round in 0..=self.rounds {
            // A text of its own each time: conditioning is cached.
            let plan = plan(&format!("a cat, round {round}"), &format!("a dog, round {round}"), Settings::default())?;
            let started = Instant::now();
            self.engine.condition(&plan.first, &mut unobserved)?;
            times.push(started.elapsed().as_secs_f64());
        }
        let first = times[0];
        let text = median(&mut times[1..]);
        Ok((text, (first - text).max(0.0)))
    }

    fn size(&mut self, (width, height): (u32, u32), wish: &Wish) -> Result<SizeReport> {
        let (mut unet, mut vae_decode) = (Vec::new(), f64::INFINITY);
        for batch in wish.batches.iter().copied() {
            let (seconds, decode) = self.image((width, height), batch, !wish.skip_vae)?;
            self.say(say!(
                "{width}x{height}: {seconds:.2} s per evaluation, batch {batch}",
                "{width}x{height}: 1 評価 {seconds:.2} 秒、バッチ {batch}"
            ));
            unet.push(UnetReport { batch, seconds });
            vae_decode = vae_decode.min(decode);
        }
        let card = card_peak(self.device);
        Ok(SizeReport { width, height, unet, vae_decode: (!wish.skip_vae).then_some(vae_decode), card })
    }

    /// Median time of an evaluation of the UNet, and the time of the VAE.
    fn image(&mut self, (width, height): (u32, u32), batch: u32, vae: bool) -> Result<(f64, f64)> {
        let steps = self.rounds + 1;
        // The negative prompt is evaluated, too, unless the scale is 1.
        let cfg_scale = if batch == 1 { 1.0 } else { 7.0 };
        let prompts: Vec<String> = (1..batch.max(2)).map(|n| format!("cat {n}")).collect();
        let settings = Settings { width, height, steps, cfg_scale, sampler: Sampler::Euler, ..Settings::default() };
        let plan = plan(&prompts.join(" AND "), "a dog", settings)?;
        let (mut last, mut times, mut decoding) = (Instant::now(), Vec::new(), Instant::now());
        let mut observe = |event: Event<'_>| {
            match event {
                Event::Predicted { .. } => {
                    times.push(last.elapsed().as_secs_f64());
                    last = Instant::now();
                }
                Event::Decoding { part: 0, .. } => decoding = Instant::now(),
                _ => {}
            }
            ControlFlow::Continue(())
        };
        let done = match vae {
            true => self.engine.run(&plan, &mut observe).map(drop),
            false => self.engine.latent(&plan, &mut observe).map(drop),
        };
        done?;
        let decode = decoding.elapsed().as_secs_f64();
        // The first evaluation also encodes the text and warms up.
        Ok((median(&mut times[1..]), decode))
    }

    fn lora(&mut self, name: &str) -> Result<LoraReport> {
        let merge = |engine: &mut Engine, weights: &str| -> Result<(f64, usize)> {
            let plan = with_lora(name, weights)?;
            let (mut last, mut seconds, mut count) = (Instant::now(), 0.0, 0);
            let run = engine.run(&plan, &mut |event| {
                match event {
                    Event::Merging { .. } => return ControlFlow::Continue(()),
                    Event::Merged { parameters } => {
                        seconds += last.elapsed().as_secs_f64();
                        count += parameters;
                    }
                    _ => {}
                }
                last = Instant::now();
                ControlFlow::Continue(())
            });
            run?;
            Ok((seconds, count))
        };
        let blocks =
            ["BASE", "IN04", "IN05", "IN07", "IN08", "M00", "OUT00", "OUT01", "OUT02", "OUT03", "OUT04", "OUT05"];
        let vector = |one: Option<usize>, weight: &str| {
            let weights: Vec<_> = (0..blocks.len()).map(|i| if one == Some(i) { weight } else { "1" }).collect();
            weights.join(",")
        };
        let (seconds, merged_parameters) = merge(&mut self.engine, &vector(None, "1"))?;
        let mut again = Vec::new();
        for round in 0..self.rounds {
            let strength = if round % 2 == 0 { "0.5" } else { "1" };
            again.push(merge(&mut self.engine, &vec![strength; blocks.len()].join(","))?.0);
        }
        merge(&mut self.engine, &vector(None, "1"))?;
        let mut reweight = Vec::new();
        for (i, block) in blocks.iter().enumerate() {
            let (seconds, parameters) = merge(&mut self.engine, &vector(Some(i), "0.8"))?;
            // Back to 1, so that the next block is the only one that changes.
            merge(&mut self.engine, &vector(None, "1"))?;
            if parameters > 0 {
                reweight.push(BlockReport { block: (*block).to_owned(), seconds, parameters });
            }
        }
        let merge_again = median(&mut again);
        Ok(LoraReport { name: name.to_owned(), merge: seconds, merge_again, merged_parameters, reweight })
    }
}

/// One step of a small picture: what is timed is the merging before it.
fn with_lora(name: &str, weights: &str) -> Result<Plan> {
    let settings = Settings { width: 64, height: 64, steps: 1, sampler: Sampler::Euler, ..Settings::default() };
    plan(&format!("a cat <lora:{name}:1:1:lbw={weights}>"), "a dog", settings)
}

fn plan(prompt: &str, negative_prompt: &str, settings: Settings) -> Result<Plan> {
    let mut request = Request::new(prompt, negative_prompt);
    request.settings = Settings { seed: 1, ..settings };
    let lowering = lower(&request, PresetSet::builtin());
    lowering.plan.ok_or_else(|| Error::refused(lowering.diagnostics))
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}

/// The instruction sets of this CPU that matter to the kernels.
fn instructions() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        let all = [
            ("avx2", std::is_x86_feature_detected!("avx2")),
            ("fma", std::is_x86_feature_detected!("fma")),
            ("f16c", std::is_x86_feature_detected!("f16c")),
            ("avx512f", std::is_x86_feature_detected!("avx512f")),
        ];
        all.into_iter().filter(|(_, here)| *here).map(|(name, _)| name).collect()
    }
    #[cfg(not(target_arch = "x86_64"))]
    Vec::new()
}

/// The most memory this process ever held, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

impl Report {
    /// The measurements as data and as a table.
    pub fn answer(&self) -> Answer {
        let instructions = self.instructions.join(" ");
        let Report { version, model, device, precision, threads, .. } = self;
        let mut lines = vec![say!(
            "lbw {version} · {model} · {device}, {precision} · {threads} threads · {instructions}\n",
            "lbw {version} · {model} · {device}、{precision} · {threads} スレッド · {instructions}\n"
        )];
        let mut seconds = |what: Text, seconds: f64| lines.push(row(&what, &format!("{seconds:>9.3} s")));
        seconds(say!("open and load the weights", "重みを開いて読み込む"), self.open + self.load);
        seconds(say!("text encoders, prompt and negative prompt", "テキストエンコーダー (両プロンプト)"), self.text);
        for SizeReport { width, height, unet, vae_decode, .. } in &self.sizes {
            for UnetReport { batch, seconds: time } in unet {
                let what = say!(
                    "UNet {width}x{height}, one evaluation, batch {batch}",
                    "UNet {width}x{height}、1 評価、バッチ {batch}"
                );
                seconds(what, *time);
            }
            if let Some(time) = vae_decode {
                seconds(say!("VAE decode {width}x{height}", "VAE 復号 {width}x{height}"), *time);
            }
        }
        if let Some(LoraReport { name, merge, merge_again, merged_parameters: count, reweight }) = &self.lora {
            seconds(say!("merge {name} ({count} parameters)", "{name} をマージ (パラメーター {count} 個)"), *merge);
            seconds(say!("merge it at another strength", "別の強度でマージ"), *merge_again);
            for BlockReport { block, seconds: time, parameters: count } in reweight {
                let what =
                    say!("re-weight {block} ({count} parameters)", "{block} の重みを変える (パラメーター {count} 個)");
                seconds(what, *time);
            }
        }
        if let Some(Difference { text, prediction, latent, bytes, psnr }) = &self.difference {
            for (what, off) in [
                (say!("text, off the CPU's f32 by", "テキスト、CPU の f32 との差"), text),
                (say!("one evaluation, off by", "1 評価の差"), prediction),
                (say!("latent of 8 steps, off by", "8 ステップ後の潜在画像の差"), latent),
            ] {
                lines.push(row(&what, &format!("{off:>9.1e}")));
            }
            let psnr = psnr.map_or_else(|| "∞".to_owned(), |psnr| format!("{psnr:.1}"));
            let of = say!("picture, largest byte and PSNR", "画像、バイトの最大差と PSNR");
            lines.push(row(&of, &format!("{bytes:>9} · {psnr} dB")));
        }
        if let Some(bytes) = self.peak_memory {
            let gigabytes = format!("{:>9.2} GB", bytes as f64 / 1e9);
            lines.push(row(&say!("peak memory", "最大メモリー"), &gigabytes));
        }
        if let Some(CardPeak { used, held }) = self.card {
            let [used, held] = [used, held].map(|bytes| format!("{:.2}", bytes as f64 / 1e9));
            let what = say!("peak memory of the card, used and held", "GPU の最大メモリー (使用・確保)");
            lines.push(row(&what, &format!("{used:>9} · {held} GB")));
        }
        Answer::new(serde_json::to_value(self).unwrap_or_default(), Text::join(lines, ""))
    }
}

fn row(what: &Text, value: &str) -> Text {
    const WIDTH: usize = 44;
    what.padded(WIDTH).then(&Text::same(format!("{value}\n")))
}

/// What a device is called.
fn name_of(device: &Device) -> String {
    match device.location() {
        DeviceLocation::Cpu => "cpu".to_owned(),
        DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        DeviceLocation::Metal { .. } => "metal".to_owned(),
    }
}
