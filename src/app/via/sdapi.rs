//! webui's API: a plan as a request, and the answer as a picture.

use serde_json::{Map, Value, json};

use super::host::{Host, Program};
use super::http::{Fault, from_base64, to_base64};
use super::prompt::Prompted;
use crate::diagnostic::{Diagnostic, Text};
use crate::plan::settings::table::{self, Wanted};
use crate::plan::{HiresSize, PadConds, Plan, ResizeMode, Start};
use crate::say;

/// A request's route and body.
#[derive(Debug, Clone, PartialEq)]
pub struct Asking {
    pub route: &'static str,
    pub body: Value,
}

impl Asking {
    /// The same with a VAE.
    pub fn with_vae(mut self, vae: &str) -> Self {
        self.body["override_settings"]["sd_vae"] = vae.into();
        self
    }
}

/// What of a plan's settings a host cannot do.
pub fn cannot(plan: &Plan, host: &Host, model: &str) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut say_cannot = |what: Text| found.push(host.cannot(&what));
    if host.model_named(model).is_none() && !host.models.is_empty() {
        let names: Vec<&str> = host.models.iter().map(|(title, _)| title.as_str()).take(8).collect();
        let names = names.join(", ");
        say_cannot(match model {
            "" => say!(
                "--model is to name one of its checkpoints: {names}",
                "--model でチェックポイントを選んでください: {names}"
            ),
            _ => say!(
                "it has no checkpoint `{model}`, but {names}",
                "チェックポイント `{model}` はなく、あるのは {names} です"
            ),
        });
    }
    // What is said below is told by the plan.
    if host.program == Program::Lbw {
        return found;
    }
    for pass in plan.passes() {
        let s = &pass.settings;
        if let Start::Previous { upscaler, .. } = &pass.start
            && !knows(&host.upscalers, upscaler.label())
        {
            let upscaler = upscaler.label();
            say_cannot(say!("it has no upscaler `{upscaler}`", "アップスケーラー `{upscaler}` がありません"));
        }
        let (sampler, schedule) = (s.sampler.label(), s.schedule_type.label());
        if !knows(&host.samplers, sampler) {
            say_cannot(say!("it has no sampler `{sampler}`", "サンプラー `{sampler}` がありません"));
        }
        if schedule != "Automatic" && !knows(&host.schedulers, schedule) {
            say_cannot(say!("it has no schedule type `{schedule}`", "スケジュールタイプ `{schedule}` がありません"));
        }
        if host.program == Program::Sdcpp {
            let changes = pass.positive.iter().any(|part| part.schedule.len() > 1) || pass.negative.len() > 1;
            if pass.positive.len() > 1 || changes {
                say_cannot(say!(
                    "its prompts know neither AND nor [from:to:when]",
                    "プロンプトで AND と [from:to:when] が使えません"
                ));
            }
        }
    }
    if plan.later.len() > 1 {
        say_cannot(say!("it has two passes at most", "パスは二つまでです"));
    }
    found
}

/// Whether a list has this name; a host without lists has everything.
fn knows(list: &[String], name: &str) -> bool {
    list.is_empty() || own_name(list, name).is_some()
}

/// What a host calls it: `DPM++ 2M` is `dpm++2m` in stable-diffusion.cpp, which takes no other spelling of some names in silence.
fn own_name<'h>(list: &'h [String], name: &str) -> Option<&'h str> {
    let plain = |name: &str| name.to_lowercase().replace([' ', '_'], "");
    let same = list.iter().find(|known| known.eq_ignore_ascii_case(name));
    same.or_else(|| list.iter().find(|known| plain(known) == plain(name))).map(String::as_str)
}

/// A plan as `lbw serve` draws it, as it is.
pub fn asking_lbw(plan: &Plan, host: &Host, model: &str, picture: Option<&[u8]>) -> Asking {
    let mut body =
        json!({ "lbw_plan": plan, "prompt": plan.first.prompt, "negative_prompt": plan.first.negative_prompt });
    if let Some(title) = host.model_named(model).filter(|_| !model.is_empty()) {
        body["override_settings"] = json!({ "sd_model_checkpoint": title });
    }
    match picture {
        Some(picture) => {
            body["init_images"] = json!([to_base64(picture)]);
            Asking { route: "/sdapi/v1/img2img", body }
        }
        None => Asking { route: "/sdapi/v1/txt2img", body },
    }
}

/// The request of a plan. `picture` is the PNG that is drawn over.
pub fn asking(plan: &Plan, host: &Host, model: &str, prompts: &[Prompted], picture: Option<&[u8]>) -> Asking {
    let pass = &plan.first;
    let wanted = Wanted { settings: pass.settings.clone(), ..Wanted::default() };
    let default = Wanted::default();
    let (mut body, mut options) = (Map::new(), Map::new());
    for setting in table::of_a_pass().filter(|setting| !["lbw_dialect", "pad_conds"].contains(&setting.name)) {
        let value = (setting.get)(&wanted);
        match setting.option {
            Some(option) if value != (setting.get)(&default) || option == "randn_source" => {
                options.insert(option.to_owned(), setting.written_value(value));
            }
            Some(_) => {}
            None if value.is_null() => {}
            None => {
                body.insert(setting.api.first().unwrap_or(&setting.name).to_string(), value);
            }
        }
    }
    let pads = match pass.settings.pad_conds {
        PadConds::Separate => None,
        PadConds::EmptyPrompts => Some("pad_cond_uncond"),
        PadConds::NegativeOnly => Some("pad_cond_uncond_v0"),
    };
    options.extend(pads.map(|option| (option.to_owned(), true.into())));
    let first = prompts.first().cloned().unwrap_or_default();
    let text = if host.program == Program::Sdcpp { first.bare.clone() } else { first.text.clone() };
    body.insert("prompt".to_owned(), text.into());
    body.insert("negative_prompt".to_owned(), pass.negative_prompt.clone().into());
    body.extend([("batch_size".to_owned(), json!(1)), ("n_iter".to_owned(), json!(1))]);
    body.extend([("save_images".to_owned(), json!(false)), ("send_images".to_owned(), json!(true))]);
    if host.program == Program::Sdcpp {
        let lora = |l: &super::prompt::Loaded| json!({ "path": l.name, "multiplier": l.unet });
        body.insert("lora".to_owned(), first.loras.iter().map(lora).collect());
        let (sampler, schedule) = (pass.settings.sampler.label(), pass.settings.schedule_type.label());
        for (key, list, name) in [("sampler_name", &host.samplers, sampler), ("scheduler", &host.schedulers, schedule)]
        {
            if let Some(own) = own_name(list, name) {
                body.insert(key.to_owned(), own.into());
            }
        }
    }
    if let Some(title) = host.model_named(model).filter(|_| !model.is_empty()) {
        options.insert("sd_model_checkpoint".to_owned(), title.into());
        body.insert("override_settings_restore_afterwards".to_owned(), json!(false));
    }
    if host.has_block_weights {
        body.insert("alwayson_scripts".to_owned(), first.script());
    }
    if let Some(pass) = plan.later.first()
        && let Start::Previous { upscaler, denoising_strength, asked, .. } = &pass.start
    {
        body.insert("enable_hr".to_owned(), json!(true));
        body.insert("hr_upscaler".to_owned(), upscaler.label().into());
        body.insert("denoising_strength".to_owned(), json!(denoising_strength));
        body.insert("hr_second_pass_steps".to_owned(), json!(pass.settings.steps));
        match asked {
            HiresSize::Scale(factor) => drop(body.insert("hr_scale".to_owned(), json!(factor))),
            HiresSize::Resize { width, height } => {
                body.insert("hr_resize_x".to_owned(), json!(width));
                body.insert("hr_resize_y".to_owned(), json!(height));
            }
        }
        let (one, two) = (&plan.first.settings, &pass.settings);
        if one.sampler != two.sampler {
            body.insert("hr_sampler_name".to_owned(), two.sampler.label().into());
        }
        if one.schedule_type != two.schedule_type {
            body.insert("hr_scheduler".to_owned(), two.schedule_type.label().into());
        }
        if one.cfg_scale != two.cfg_scale {
            body.insert("hr_cfg".to_owned(), json!(two.cfg_scale));
        }
        if plan.first.prompt != pass.prompt {
            body.insert("hr_prompt".to_owned(), prompts.get(1).map_or("", |p| p.text.as_str()).into());
        }
        if plan.first.negative_prompt != pass.negative_prompt {
            body.insert("hr_negative_prompt".to_owned(), pass.negative_prompt.clone().into());
        }
    }
    let mut route = "/sdapi/v1/txt2img";
    if let (Start::Picture { denoising_strength, fix_steps, resize_mode, noise_multiplier, .. }, Some(picture)) =
        (&pass.start, picture)
    {
        route = "/sdapi/v1/img2img";
        let mode = match resize_mode {
            ResizeMode::Just => 0,
            ResizeMode::Crop => 1,
            ResizeMode::Fill => 2,
            ResizeMode::Latent => 3,
        };
        body.insert("init_images".to_owned(), json!([to_base64(picture)]));
        body.insert("denoising_strength".to_owned(), json!(denoising_strength));
        body.insert("resize_mode".to_owned(), json!(mode));
        body.insert("initial_noise_multiplier".to_owned(), json!(noise_multiplier));
        if *fix_steps {
            options.insert("img2img_fix_steps".to_owned(), json!(true));
        }
    }
    body.insert("override_settings".to_owned(), Value::Object(options));
    Asking { route, body: Value::Object(body) }
}

/// The first picture of an answer and its infotext.
pub fn picture(answer: &Value) -> Result<(Vec<u8>, String), Fault> {
    let wrong = |what: Text| Fault::Wrong(what);
    let images = answer["images"].as_array();
    let images = images.ok_or_else(|| wrong(say!("its answer has no `images`", "応答に `images` がありません")))?;
    let info = match &answer["info"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        other => other.clone(),
    };
    let first = info["index_of_first_image"].as_u64().unwrap_or(0) as usize;
    let image = images.get(first).or(images.first()).and_then(Value::as_str);
    let error = answer["error"].as_str().filter(|error| !error.is_empty()).unwrap_or_default();
    let image = image.ok_or_else(|| match error {
        "" => wrong(say!("it answers without a picture", "応答に画像がありません")),
        error => wrong(say!("it answers without a picture: {error}", "応答に画像がありません: {error}")),
    })?;
    let bytes = from_base64(image);
    let bytes = bytes.ok_or_else(|| wrong(say!("its picture is no base64", "画像が base64 ではありません")))?;
    let infotext = info["infotexts"][0].as_str().unwrap_or_default().to_owned();
    Ok((bytes, infotext))
}
