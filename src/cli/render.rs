//! Draws plans: opens the engine, runs each plan, writes each PNG with its infotext and plan.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::Device;
use serde_json::json;

use super::args::{EngineArgs, LoraKeysArg, OutputArgs, PredictionArg};
use super::exit::{CommandResult, Exit, Failure};
use super::output::Output;
use super::progress::Progress;
use super::report;
use crate::checkpoint::{Checkpoint, sha256_of_file};
use crate::engine::{Engine, EngineError, EngineOptions, ModelType, ModelTypeSource};
use crate::image_io::{self, Existing, write_png};
use crate::infotext::{ModelInfo, infotext};
use crate::lora::{KeyTable, LoraHashes, LoraIndex, Network};
use crate::plan::{LoraPlan, Plan};
use crate::sampling::Parameterization;

/// Draws all `plans`.
pub fn render(
    plans: &[Plan],
    model: &Path,
    loras: LoraIndex,
    engine: &EngineArgs,
    output: &OutputArgs,
) -> CommandResult {
    let mut target = Output::new(output.output.as_deref(), plans.len())?;
    let mut engine = open(model, loras, engine)?;
    for plan in plans {
        let networks = engine.networks(plan).map_err(failure)?;
        plan.loras.iter().zip(&networks).for_each(|(lora, network)| say_about(lora, network, plan));
    }
    // Hashing a whole checkpoint takes as long as a few steps: it goes on beside them.
    let path = model.to_owned();
    let hash = std::thread::spawn(move || sha256_of_file(&path));
    let mut hash = Some(hash);
    let mut model_hash = None;
    let mut lora_hashes = HashMap::new();

    let mut failed = 0;
    for plan in plans {
        let mut progress = Progress::new(output.json);
        let result = engine.run(plan, &mut |event| progress.on(&event));
        progress.finish();
        let image = match result {
            Ok(image) => image,
            Err(error) if plans.len() > 1 => {
                report::error(&format!("seed {}: {error}", plan.settings.seed));
                failed += 1;
                continue;
            }
            Err(error) => return Err(failure(error)),
        };
        if let Some(hash) = hash.take() {
            let result = hash.join().map_err(|_| Failure::file("the checkpoint could not be hashed"))?;
            model_hash = Some(result.map_err(|e| Failure::file(format!("{}: {e}", model.display())))?);
        }
        let text = infotext(plan, &model_info(&mut engine, plan, model, model_hash.as_deref(), &mut lora_hashes)?);
        let rgb = image::RgbImage::from_raw(image.width, image.height, image.rgb)
            .ok_or_else(|| Failure::file("the decoded image has the wrong size"))?;
        let json = serde_json::to_string(plan).map_err(|e| Failure::text(e.to_string()))?;
        let path = loop {
            let path = target.next(plan.settings.seed);
            match write_png(&path, &rgb, &text, Some(&json), Existing::Keep) {
                Ok(()) => break path,
                Err(image_io::Error::Exists { .. }) if matches!(target, Output::Folder { .. }) => continue,
                Err(error) => return Err(Failure::file(error.to_string())),
            }
        };
        match output.json {
            true => println!("{}", json!({ "file": path, "seed": plan.settings.seed, "parameters": text })),
            false => println!("{}", path.display()),
        }
    }
    match failed {
        0 => Ok(Exit::Done),
        _ => Err(Failure { exit: Exit::SomeFailed, message: format!("{failed} of {} images failed", plans.len()) }),
    }
}

fn open(model: &Path, loras: LoraIndex, args: &EngineArgs) -> Result<Engine, Failure> {
    let device = device(&args.device)?;
    let options = EngineOptions {
        device,
        loras,
        lora_keys: match args.lora_keys {
            LoraKeysArg::Webui => KeyTable::Webui,
            LoraKeysArg::Lenient => KeyTable::Lenient,
        },
        exact_block_weights: args.lbw_exact,
        model_type: args.prediction.map(|p| match p {
            PredictionArg::Eps => ModelType::default(),
            PredictionArg::V => ModelType { parameterization: Parameterization::V, zero_terminal_snr: false },
            PredictionArg::VZtsnr => ModelType { parameterization: Parameterization::V, zero_terminal_snr: true },
        }),
        ..EngineOptions::default()
    };
    let checkpoint = Checkpoint::open(model).map_err(|e| Failure::file(e.to_string()))?;
    let engine = Engine::new(checkpoint, options).map_err(failure)?;
    if let (count @ 1.., Some(example)) = engine.unused_tensors() {
        report::note(&format!("{}: {count} tensors are not used, for example {example}", model.display()));
    }
    if let (model_type, ModelTypeSource::Markers) = engine.model_type() {
        let snr = if model_type.zero_terminal_snr { " with zero terminal SNR" } else { "" };
        report::note(&format!(
            "the checkpoint is marked as v-prediction{snr}, and run so; webui 1.10 ignores these marks (--prediction eps does too)"
        ));
    }
    Ok(engine)
}

fn device(name: &str) -> Result<Device, Failure> {
    let absent = |e: candle_core::Error| Failure::file(format!("--device {name}: {e}"));
    match name.split_once(':').unwrap_or((name, "0")) {
        ("cpu", _) => Ok(Device::Cpu),
        ("cuda", n) => {
            let n = n
                .parse()
                .map_err(|_| Failure::text(format!("--device {name}: `{n}` is not the number of a device")))?;
            Device::new_cuda(n).map_err(absent)
        }
        ("metal", _) => Device::new_metal(0).map_err(absent),
        _ => Err(Failure::text(format!("--device {name}: there are cpu, cuda, cuda:N and metal"))),
    }
}

/// What is surprising about a LoRA file, now that it and the model are open.
fn say_about(lora: &LoraPlan, network: &Network, plan: &Plan) {
    let name = &lora.name;
    if let Some(example) = network.unmatched().first() {
        let count = network.unmatched().len();
        report::warning(&format!("{name}: {count} tensors fit no module of the model, for example {example}"));
    }
    if network.leniently_matched() > 0 {
        report::warning(&format!(
            "{name}: {} tensors have names that webui does not know; they are loaded as their author meant (--lora-keys webui ignores them)",
            network.leniently_matched()
        ));
    }
    let weighted = lora.blocks.iter().any(|w| *w != 1.0) || !lora.elements.is_empty();
    if !weighted {
        return;
    }
    let outside: Vec<_> = network.modules().iter().filter(|m| m.block().is_none()).collect();
    if let Some(first) = outside.first() {
        report::note(&format!(
            "{name}: {} modules lie outside the blocks and keep ratio 1, for example {}",
            outside.len(),
            first.name()
        ));
    }
    let mut quirks: Vec<_> = network
        .modules()
        .iter()
        .filter(|m| lora.ratio(plan.family, m.name()) != 1.0)
        .flat_map(|m| m.quirks())
        .collect();
    quirks.sort();
    quirks.dedup();
    for quirk in quirks {
        report::warning(&format!("{name}: {quirk}; webui does the same, --lbw-exact scales the whole delta"));
    }
}

fn model_info(
    engine: &mut Engine,
    plan: &Plan,
    path: &Path,
    sha256: Option<&str>,
    lora_hashes: &mut HashMap<PathBuf, String>,
) -> Result<ModelInfo, Failure> {
    let networks = engine.networks(plan).map_err(failure)?;
    let mut loras = Vec::new();
    for (lora, network) in plan.loras.iter().zip(networks) {
        // A file is hashed once, however many images it is in.
        let hash = match lora_hashes.get(network.path()) {
            Some(hash) => hash.clone(),
            None => {
                let hashes = LoraHashes::of_file(network.path()).map_err(|e| Failure::file(e.to_string()))?;
                lora_hashes.insert(network.path().to_owned(), hashes.webui.clone());
                hashes.webui
            }
        };
        loras.push((lora.name.clone(), hash));
    }
    Ok(ModelInfo {
        model: path.file_stem().map(|s| s.to_string_lossy().into_owned()),
        model_hash: sha256.map(|h| h[..10.min(h.len())].to_owned()),
        loras,
        ..ModelInfo::default()
    })
}

/// Names and settings are the user's text; everything else concerns files and devices.
pub fn failure(error: EngineError) -> Failure {
    match error {
        EngineError::LoraName(_) | EngineError::Limit { .. } | EngineError::Family(_) | EngineError::Format(_) => {
            Failure::text(error.to_string())
        }
        other => Failure::file(other.to_string()),
    }
}
