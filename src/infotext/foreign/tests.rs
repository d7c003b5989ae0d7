use super::*;
use crate::diagnostic::{Severity, Source, code};
use crate::infotext::paste_foreign;
use crate::plan::Wanted;

/// The infotext, what it leaves out, and that it is pasted with these prompts, steps, sampler, CFG scale, seed and size.
#[track_caller]
fn reads(foreign: &Foreign, prompts: [&str; 2], settings: (u32, &str, &str, f64, u64, [u32; 2])) {
    let (pasted, found) = paste_foreign(foreign, &Source::new("a.png", ""));
    assert_eq!(found[0].code, code::CONVERTED, "{found:#?}");
    let wrong: Vec<_> = found.iter().filter(|d| d.severity != Severity::Note && d.code != code::NOT_DONE).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut wanted = Wanted::default();
    let pasted = pasted.unwrap();
    assert!(pasted.is_infotext);
    pasted.patch.apply(&mut wanted);
    assert_eq!([wanted.texts.prompt.as_str(), wanted.texts.negative_prompt.as_str()], prompts);
    let s = wanted.settings;
    let read = (s.steps, s.sampler.label(), s.schedule_type.label(), s.cfg_scale, s.seed, [s.width, s.height]);
    assert_eq!(read, settings, "{:?}", foreign.infotext);
}

#[test]
fn novel_ai_as_webui_converts_it() {
    let comment = r#"{"prompt": "other", "steps": 28, "height": 1216, "width": 832, "scale": 5.0, "uc": "lowres, bad", "seed": 3592,
        "sampler": "k_euler_ancestral", "noise_schedule": "karras", "strength": null}"#;
    let texts = [
        ("Title", "AI generated image"),
        ("Description", "1girl, {smile}"),
        ("Software", "NovelAI"),
        ("Comment", comment),
    ];
    let text = |keyword: &str| texts.iter().find(|(known, _)| *known == keyword).map(|(_, text)| *text);
    let foreign = of_texts(text, Some((832, 1216))).unwrap();
    assert_eq!(
        foreign.infotext.as_deref(),
        Ok("1girl, {smile}\nNegative prompt: lowres, bad\n\
            Steps: 28, Sampler: Euler a, CFG scale: 5.0, Seed: 3592, Size: 832x1216, Clip skip: 2, ENSD: 31337")
    );
    assert_eq!((foreign.tool, foreign.left_out.len()), ("NovelAI", 0));
    // As it is hidden in the pixels.
    let hidden =
        serde_json::json!({ "Software": "NovelAI", "Description": "1girl, {smile}", "Comment": comment }).to_string();
    assert_eq!(of_json(&hidden).unwrap().infotext, foreign.infotext);
}

#[test]
fn swarm() {
    let json = r#"{"sui_image_params": {"prompt": "a photo of a cat", "negativeprompt": "dog", "model": "Official/sd_xl_base_1.0.safetensors",
        "images": 1, "seed": 7, "steps": 20, "cfgscale": 6.5, "aspectratio": "1:1", "width": 832, "height": 1216, "sampler": "dpmpp_2m",
        "scheduler": "karras", "loras": ["sub/detail", "b"], "loraweights": ["0.5", "1"], "refinermethod": "PostApply",
        "swarm_version": "0.9.3.1"}, "sui_extra_data": {"date": "2025-01-25"}}"#;
    let foreign = of_json(json).unwrap();
    reads(
        &foreign,
        ["a photo of a cat <lora:detail:0.5> <lora:b:1>", "dog"],
        (20, "DPM++ 2M", "Karras", 6.5, 7, [832, 1216]),
    );
    assert_eq!(foreign.left_out, ["refinermethod"]);
    assert!(foreign.infotext.unwrap().contains("Model: sd_xl_base_1.0"));
}

#[test]
fn fooocus() {
    let json = r#"{"adm_guidance": "(1.5, 0.8, 0.3)", "base_model": "juggernautXL_v8.safetensors", "base_model_hash": "aeb7e9e689",
        "full_negative_prompt": ["bad", "blurry"], "full_prompt": ["cinematic still a cat", "a cat, sharp"], "guidance_scale": 4,
        "loras": [["offset.safetensors", 0.1, "4852686128"]], "metadata_scheme": "fooocus", "negative_prompt": "", "performance": "Speed",
        "prompt": "a cat", "prompt_expansion": "a cat, sharp", "refiner_model": "None", "refiner_switch": 0.5, "resolution": "(896, 1152)",
        "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras", "seed": "4", "sharpness": 2, "steps": 30, "styles": "['Fooocus V2']",
        "vae": "Default (model)", "version": "Fooocus v2.5.5"}"#;
    let foreign = of_json(json).unwrap();
    reads(
        &foreign,
        ["cinematic still a cat, a cat, sharp <lora:offset:0.1>", "bad, blurry"],
        (30, "DPM++ 2M SDE", "Karras", 4.0, 4, [896, 1152]),
    );
    assert_eq!(foreign.left_out, ["adm_guidance", "refiner_switch", "sharpness"]);
}

#[test]
fn invoke_in_all_its_forms() {
    let json = r#"{"app_version": "5.4.0", "generation_mode": "sdxl_txt2img", "positive_prompt": "a cat", "negative_prompt": "dog",
        "width": 1024, "height": 768, "seed": 9, "rand_device": "cpu", "cfg_scale": 7.5, "steps": 30, "scheduler": "dpmpp_2m_k",
        "model": {"key": "k", "name": "Juggernaut XL", "base": "sdxl"}, "loras": [{"model": {"name": "detail"}, "weight": 0.75}],
        "clip_skip": 1, "seamless_x": true}"#;
    let foreign = of_json(json).unwrap();
    reads(&foreign, ["a cat <lora:detail:0.75>", "dog"], (30, "DPM++ 2M", "Karras", 7.5, 9, [1024, 768]));
    assert_eq!(foreign.left_out, ["seamless_x"]);
    assert!(foreign.infotext.unwrap().ends_with("Model: Juggernaut XL, Clip skip: 2"));

    let old = r#"{"model": "stable diffusion", "app_id": "invoke-ai/InvokeAI", "model_weights": "sd-1.5", "image": {"prompt":
        [{"prompt": "a cat [dog]", "weight": 1.0}], "steps": 50, "cfg_scale": 7.5, "sampler": "k_lms", "seed": 12, "width": 512, "height": 512}}"#;
    reads(&of_json(old).unwrap(), ["a cat", "dog"], (50, "LMS", "Automatic", 7.5, 12, [512, 512]));
    let dream = r#""a \"cat\" [dog]" -s50 -S 123 -W512 -H 640 -C7.5 -A k_euler_a"#;
    let foreign = of_texts(|keyword| (keyword == "Dream").then_some(dream), None).unwrap();
    reads(&foreign, [r#"a \"cat\""#, "dog"], (50, "Euler a", "Automatic", 7.5, 123, [512, 640]));
}

#[test]
fn draw_things_in_xmp() {
    let xmp = r#"<x:xmpmeta><rdf:Description><xmp:CreatorTool>Draw Things</xmp:CreatorTool><exif:UserComment><rdf:Alt>
        <rdf:li xml:lang="x-default">{&quot;c&quot;:&quot;a cat, &lt;big&gt;&quot;,&quot;uc&quot;:&quot;dog&quot;,&quot;sampler&quot;:&quot;DPM++ 2M Karras&quot;,
        &quot;scale&quot;:7.5,&quot;seed&quot;:5,&quot;size&quot;:&quot;512x768&quot;,&quot;steps&quot;:20,&quot;strength&quot;:1,
        &quot;model&quot;:&quot;x_f16.ckpt&quot;,&quot;lora&quot;:[{&quot;model&quot;:&quot;y.ckpt&quot;,&quot;weight&quot;:0.5}]}</rdf:li>"#;
    let foreign = of_texts(|keyword| (keyword == "XML:com.adobe.xmp").then_some(xmp), None).unwrap();
    assert_eq!(foreign.tool, "Draw Things");
    reads(&foreign, ["a cat, <big> <lora:y:0.5>", "dog"], (20, "DPM++ 2M", "Karras", 7.5, 5, [512, 768]));
}

/// ComfyUI's own first workflow, with two LoRAs.
fn comfy() -> Value {
    serde_json::json!({
        "3": {"class_type": "KSampler", "inputs": {"seed": 156680208700286u64, "steps": 20, "cfg": 8, "sampler_name": "euler", "scheduler":
            "normal", "denoise": 1, "model": ["11", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sdxl/base.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 768, "height": ["12", 0], "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["13", 0], "clip": ["14", 0]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "text, watermark", "clip": ["14", 0]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}},
        "10": {"class_type": "LoraLoader", "inputs": {"lora_name": "first.safetensors", "strength_model": 0.8, "strength_clip": 0.5, "model":
            ["4", 0], "clip": ["4", 1]}},
        "11": {"class_type": "Power Lora Loader (rgthree)", "inputs": {"lora_1": {"on": true, "lora": "second.safetensors", "strength": 1},
            "lora_2": {"on": false, "lora": "off.safetensors", "strength": 1}, "model": ["10", 0], "clip": ["10", 1]}},
        "12": {"class_type": "PrimitiveInt", "inputs": {"value": 1152}},
        "13": {"class_type": "PrimitiveString", "inputs": {"value": "beautiful scenery, bottle"}},
        "14": {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -2, "clip": ["11", 1]}},
    })
}

#[test]
fn comfy_with_one_sampler() {
    let words = "beautiful scenery, bottle <lora:first:0.5:0.8> <lora:second:1>";
    let settings = (20, "Euler", "Normal", 8.0, 156_680_208_700_286, [768, 1152]);
    let foreign = of_json(&comfy().to_string()).unwrap();
    reads(&foreign, [words, "text, watermark"], settings);
    let infotext = foreign.infotext.unwrap();
    assert!(infotext.ends_with("Size: 768x1152, Model: base, Clip skip: 2"), "{infotext}");
    // As it is sent to the API, and with the NaN that ComfyUI writes.
    let body = serde_json::json!({ "client_id": "x", "prompt": comfy() }).to_string();
    reads(&of_json(&body).unwrap(), [words, "text, watermark"], settings);
    let nan = comfy().to_string().replacen("\"seed\"", "\"is_changed\": NaN, \"seed\"", 1);
    assert!(of_json(&nan).unwrap().infotext.is_ok());
    // The parts in nodes of their own.
    let mut parts = comfy();
    let inputs = serde_json::json!({"noise": ["20", 0], "guider": ["21", 0], "sampler": ["22", 0], "sigmas": ["23", 0], "latent_image": ["5", 0]});
    parts["3"] = serde_json::json!({"class_type": "SamplerCustomAdvanced", "inputs": inputs});
    parts["20"] = serde_json::json!({"class_type": "RandomNoise", "inputs": {"noise_seed": 5}});
    parts["21"] = serde_json::json!({"class_type": "CFGGuider", "inputs": {"cfg": 4, "model": ["11", 0], "positive": ["6", 0], "negative": ["7", 0]}});
    parts["22"] = serde_json::json!({"class_type": "KSamplerSelect", "inputs": {"sampler_name": "dpmpp_2m"}});
    parts["23"] = serde_json::json!({"class_type": "BasicScheduler", "inputs": {"scheduler": "karras", "steps": 12, "denoise": 1, "model": ["11", 0]}});
    let foreign = of_json(&parts.to_string()).unwrap();
    reads(&foreign, [words, "text, watermark"], (12, "DPM++ 2M", "Karras", 4.0, 5, [768, 1152]));
}

#[test]
fn comfy_that_is_no_prompt_says_what_it_holds() {
    let mut two = comfy();
    two["30"] = two["3"].clone();
    let says = |json: &str| {
        let foreign = of_json(json).unwrap();
        let (pasted, found) = paste_foreign(&foreign, &Source::new("a.png", ""));
        assert!(pasted.is_none() && found[0].code == code::NOT_CONVERTED);
        found[0].message.to_string()
    };
    let said = says(&two.to_string());
    assert!(said.contains("13 nodes with 2 samplers, 2 texts and 2 LoRAs"), "{said}");
    let page = r#"{"last_node_id": 9, "last_link_id": 9, "nodes": [{"id": 7, "type": "CLIPTextEncode"}], "links": [], "version": 0.4}"#;
    assert!(says(page).contains("of 1 nodes as its page keeps it"));
    let mut no_words = comfy();
    no_words["3"]["inputs"]["positive"] = serde_json::json!(["99", 0]);
    assert!(says(&no_words.to_string()).contains("cannot be followed"));
    // A graph that leads back to itself ends.
    let mut circle = comfy();
    circle["13"]["inputs"]["value"] = serde_json::json!(["13", 0]);
    circle["10"]["inputs"]["model"] = serde_json::json!(["11", 0]);
    circle["5"] = serde_json::json!({"class_type": "LatentUpscale", "inputs": {"samples": ["5", 0]}});
    says(&circle.to_string());
    // Of both, the graph counts.
    let graph = comfy().to_string();
    let both = of_texts(
        |keyword| match keyword {
            "prompt" => Some(graph.as_str()),
            "workflow" => Some(page),
            _ => None,
        },
        None,
    );
    assert!(both.unwrap().infotext.is_ok());
}

#[test]
fn a_picture_that_was_drawn_over_is_told() {
    let mut over = comfy();
    over["5"] = serde_json::json!({"class_type": "VAEEncode", "inputs": {"pixels": ["31", 0]}});
    over["3"]["inputs"]["denoise"] = 0.5.into();
    let foreign = of_json(&over.to_string()).unwrap();
    assert_eq!(foreign.left_out, ["denoise 0.5", "the picture that was drawn over"]);
    let (_, found) = paste_foreign(&foreign, &Source::new("a.png", ""));
    assert_eq!(found[1].code, code::NOT_DONE);
}

#[test]
fn what_is_nobodys_stays() {
    for text in
        ["{a|b} hair", "{}", "[]", "{\"prompt\": \"a cat\", \"steps\": 5}", "{\"a\": 1}", "a cat", "{\"format\": 2}"]
    {
        assert_eq!(of_json(text), None, "{text}");
    }
}
