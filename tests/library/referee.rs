//! What other programs make of LoRA tags, worked out from their sources on small files that lack what real ones lack.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor, safetensors};
use lbw::app::referee::{Comparison, PROGRAMS, audit, compare};
use lbw::app::{Caller, Places, Session};
use lbw::image_io::ImageText;
use lbw::plan::Request;

/// Modules by kohya's names, and the parts of each kind.
const TEXT: &str = "lora_te1_text_model_encoder_layers_0_mlp_fc1";
const TEXT_2: &str = "lora_te2_text_model_encoder_layers_3_mlp_fc1";
const LORA: &[&str] = &["lora_up.weight", "lora_down.weight", "alpha"];
const LOHA: &[&str] = &["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "alpha"];
const NORM: &[&str] = &["w_norm", "b_norm"];
const IA3: &[&str] = &["weight", "on_input"];

/// `IN04` → a module of that block.
fn of_block(name: &str) -> String {
    let number = |from: usize| name[from..].parse::<usize>().unwrap();
    match name {
        "M00" => "lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q".to_owned(),
        _ if name.starts_with("IN") => {
            format!("lora_unet_input_blocks_{}_1_transformer_blocks_0_attn1_to_q", number(2))
        }
        _ => format!("lora_unet_output_blocks_{}_1_transformer_blocks_0_attn1_to_q", number(3)),
    }
}

const ATTENTION: [&str; 11] =
    ["IN04", "IN05", "IN07", "IN08", "M00", "OUT00", "OUT01", "OUT02", "OUT03", "OUT04", "OUT05"];

/// A folder of LoRA files, and a session that finds them.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let files = Files(tempfile::tempdir().unwrap());
        let whole: Vec<(String, &[&str])> =
            ATTENTION.iter().map(|b| of_block(b)).chain([TEXT.into(), TEXT_2.into()]).map(|m| (m, LORA)).collect();
        let unet: Vec<_> = whole.iter().filter(|(m, _)| m.starts_with("lora_unet")).cloned().collect();
        files.write("whole", &whole);
        files.write("unet", &unet);
        files.write("holes", &unet.iter().filter(|(m, _)| *m != of_block("IN05")).cloned().collect::<Vec<_>>());
        let norm = "lora_unet_input_blocks_4_0_in_layers_0".to_owned();
        let mixed = [(of_block("IN04"), LOHA), (norm, NORM), (of_block("OUT00"), IA3)];
        files.write("mixed", &[&mixed[..], &whole[..2]].concat()[..3]);
        let strangers = (0..7).map(|n| (format!("lora_unet_strange_{n}"), LORA));
        files.write("strange", &whole.iter().cloned().chain(strangers).collect::<Vec<_>>());
        files
    }

    fn write(&self, name: &str, modules: &[(String, &[&str])]) {
        let one = Tensor::ones((1, 1), DType::F32, &Device::Cpu).unwrap();
        let parts = modules.iter().flat_map(|(module, parts)| parts.iter().map(move |part| format!("{module}.{part}")));
        let tensors: HashMap<String, Tensor> = parts.map(|name| (name, one.clone())).collect();
        safetensors::save(&tensors, self.0.path().join(format!("{name}.safetensors"))).unwrap();
    }

    fn session(&self) -> Session {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
        let places = Places { loras: vec![self.0.path().to_owned()], cache, ..Places::default() };
        Session::open(&places, Caller::default()).unwrap()
    }
}

fn read(prompt: &str) -> Comparison {
    compare(&Request::new(prompt, ""), &Files::new().session())
}

fn at(program: &str) -> usize {
    PROGRAMS.iter().position(|p| p.id == program).unwrap()
}

/// The factor that a program applies in a row of a LoRA.
#[track_caller]
fn factor(compared: &Comparison, lora: &str, row: &str, program: &str) -> Option<f64> {
    let rows = &compared.loras.iter().find(|l| l.name == lora).unwrap().rows;
    let labels: Vec<_> = rows.iter().map(|r| r.label.as_str()).collect();
    let row = rows.iter().find(|r| r.label == row).unwrap_or_else(|| panic!("no `{row}` among {labels:?}"));
    row.factors[at(program)]
}

/// The codes that are said about a program.
fn said(compared: &Comparison, program: &str) -> Vec<&'static str> {
    compared.remarks.iter().filter(|(by, _)| *by == at(program)).map(|(_, d)| d.code.id).collect()
}

const LEFT: &str = "0.5,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1,0";
const RIGHT: &str = "0.25,1,1,1,1,1,1,1,1,1,1,1";

#[test]
fn a_plain_lora_is_the_same_everywhere() {
    let compared = read("<lora:whole:1>");
    assert!(compared.refusals.is_empty() && compared.remarks.is_empty(), "{compared:#?}");
    let factors: Vec<_> = compared.loras[0].rows.iter().flat_map(|row| row.factors.clone()).collect();
    assert_eq!(factors.len(), 12 * PROGRAMS.len());
    assert!(factors.iter().all(|factor| *factor == Some(1.0)), "{factors:?}");
    assert_eq!(compared.loras[0].rows[0].modules, 2, "both text encoders");
}

#[test]
fn forge_counts_loras() {
    let unet = format!("<lora:unet:1:0.8:lbw={LEFT}>");
    let whole = format!("<lora:whole:0.9:1:lbw={RIGHT}>");
    let compared = read(&format!("{unet} {whole}"));
    // Only `whole` has text encoders, so the first tag's BASE and strength are theirs.
    assert_eq!(factor(&compared, "whole", "BASE", "forge"), Some(0.5));
    assert_eq!(factor(&compared, "whole", "BASE", "webui"), Some(0.9 * 0.25));
    assert_eq!(factor(&compared, "unet", "IN04", "forge"), Some(0.8 * 0.1));
    assert_eq!(said(&compared, "forge"), ["W1302"]);
    // Neo finds them by name.
    assert_eq!(factor(&compared, "whole", "BASE", "neo"), Some(0.9 * 0.25));
    let compared = read(&format!("{whole} {unet}"));
    assert_eq!(factor(&compared, "whole", "BASE", "forge"), Some(0.9 * 0.25));
    assert!(said(&compared, "forge").is_empty());
    // Where no tag has weights the extension does not touch anything.
    let compared = read("<lora:unet:0.7> <lora:whole:0.5:0.6>");
    assert_eq!(factor(&compared, "whole", "BASE", "forge"), Some(0.5));
    assert_eq!(factor(&compared, "whole", "OUT05", "forge"), Some(0.6));
}

#[test]
fn reforge_counts_loras_module_by_module() {
    let compared = read(&format!("<lora:holes:1:lbw={LEFT}> <lora:unet:1:lbw={RIGHT}>"));
    // IN05 is missing in `holes`: the only LoRA there gets the weights of the first tag.
    assert_eq!(factor(&compared, "unet", "IN05", "reforge"), Some(0.2));
    assert_eq!(factor(&compared, "unet", "IN04", "reforge"), Some(1.0));
    assert_eq!(factor(&compared, "holes", "IN04", "reforge"), Some(0.1));
    assert_eq!(said(&compared, "reforge"), ["W1302"]);
    assert!(said(&compared, "forge").is_empty());
}

#[test]
fn kinds_are_lost() {
    let compared = read(&format!("<lora:mixed:0.5:lbw={LEFT}>"));
    let row = |label, program| factor(&compared, "mixed", label, program);
    assert_eq!((row("IN04: LoHa", "forge"), row("IN04: Norm", "forge")), (Some(0.05), Some(0.0)));
    assert_eq!((row("IN04: LoHa", "neo"), row("IN04: Norm", "neo")), (Some(0.05), Some(0.5)));
    assert_eq!((row("IN04: LoHa", "sdcpp"), row("IN04: Norm", "sdcpp")), (Some(0.5), Some(0.0)));
    assert_eq!(
        (row("OUT00", "webui"), row("OUT00", "inspire"), row("OUT00", "forge")),
        (Some(0.3), Some(0.0), Some(0.0))
    );
    assert_eq!(row("IN04: LoHa", "kohya"), Some(0.0));
    assert_eq!(row("IN04: LoHa", "supermerger"), None);
    assert!(said(&compared, "forge").iter().filter(|code| **code == "W1303").count() == 2);
}

#[test]
fn inspire_counts_blocks() {
    let compared = read(&format!("<lora:holes:1:lbw={LEFT}>"));
    // BASE, IN04, then what was written for IN05 goes to IN07, and so on; the last entry is never reached.
    for (block, expected) in [("IN04", 0.1), ("IN07", 0.2), ("IN08", 0.3), ("M00", 0.4), ("OUT00", 0.5), ("OUT05", 1.0)]
    {
        assert_eq!(factor(&compared, "holes", block, "inspire"), Some(expected), "{block}");
    }
    assert_eq!(factor(&compared, "holes", "IN07", "webui"), Some(0.3));
    assert_eq!(said(&compared, "inspire"), ["W1301"]);
    let message = &compared.remarks.iter().find(|(_, d)| d.code.id == "W1301").unwrap().1;
    assert!(message.message.contains("the weight written for IN05 goes to IN07; 9 blocks"), "{}", message.message);
    assert_eq!(message.pointed_at(), Some(LEFT));
    assert!(said(&read(&format!("<lora:unet:1:lbw={LEFT}>")), "inspire").is_empty());
}

#[test]
fn inspire_takes_neighbours_of_one_number_for_one_block() {
    let files = Files::new();
    let modules = ["lora_unet_input_blocks_1_0_in_layers_2", "lora_unet_middle_block_1_proj_in"];
    let modules: Vec<_> = modules.iter().map(|m| ((*m).to_owned(), LORA)).chain([(of_block("OUT01"), LORA)]).collect();
    files.write("ones", &modules);
    let prompt = format!("<lora:ones:1:lbw={LEFT}>");
    let compared = compare(&Request::new(&prompt, ""), &files.session());
    // Block 1, part 1 and block 1 again: one entry for all three.
    for block in ["IN01", "M00", "OUT01"] {
        assert_eq!(factor(&compared, "ones", block, "inspire"), Some(0.1), "{block}");
    }
}

#[test]
fn stable_diffusion_cpp_has_one_number() {
    for (tag, expected, code) in [
        ("<lora:whole:0.5>", 0.5, None),
        ("<lora:whole:0.5:lbw=XLOUT>", 0.5, Some("W1305")),
        ("<lora:whole:0.8:0.2>", 0.8, Some("W1305")),
        ("<lora:whole:lbw=XLOUT>", 0.0, Some("W1305")),
        ("<lora:whole:te=0.5>", 0.0, Some("W1305")),
        ("<lora:whole>", 0.0, Some("W1305")),
        ("<lyco:whole:1>", 0.0, Some("W1305")),
        ("<lora:whole:0.5> <lora:whole:0.25>", 0.75, None),
    ] {
        let compared = read(tag);
        assert_eq!(factor(&compared, "whole", "BASE", "sdcpp"), Some(expected), "{tag}");
        assert_eq!(said(&compared, "sdcpp").first().copied(), code, "{tag}");
    }
}

#[test]
fn supermerger_squares_and_ignores() {
    let compared = read(&format!("<lora:whole:0.5:lbw={LEFT}>"));
    assert_eq!(factor(&compared, "whole", "IN04", "supermerger"), Some(0.1f64.powi(2)));
    assert_eq!(said(&compared, "supermerger"), ["W1304", "W1304"]);
    let compared = read("<lora:whole:-0.5>");
    assert_eq!(factor(&compared, "whole", "IN04", "supermerger"), Some(0.25));
    assert_eq!(factor(&compared, "whole", "IN04", "webui"), Some(-0.5));
}

#[test]
fn a_late_start_loses_the_text_encoders_in_forge() {
    let compared = read("<lora:whole:1:start=3>");
    assert_eq!(factor(&compared, "whole", "BASE", "webui"), Some(1.0));
    for (program, expected) in [("forge", 0.0), ("neo", 0.0), ("reforge", 1.0)] {
        assert_eq!(factor(&compared, "whole", "BASE", program), Some(expected), "{program}");
        assert_eq!(factor(&compared, "whole", "IN04", program), Some(1.0), "{program}");
    }
    assert_eq!(said(&compared, "forge"), ["W1306"]);
    assert!(said(&compared, "sdnext").contains(&"W0226"));
}

#[test]
fn files_with_many_strange_tensors_are_not_loaded_by_forge() {
    let compared = read("<lora:strange:1>");
    assert_eq!(factor(&compared, "strange", "IN04", "forge"), Some(0.0));
    assert_eq!(factor(&compared, "strange", "IN04", "neo"), Some(1.0));
    assert_eq!(said(&compared, "forge"), ["W1303"]);
}

#[test]
fn tags_that_a_program_cannot_read_refuse_it_alone() {
    let compared = read("<lora:whole:1:lbw=%in1-2=0.5,default=1>");
    let refused: Vec<_> = compared.refusals.iter().map(|(by, _)| PROGRAMS[*by].id).collect();
    for program in ["webui", "forge", "neo", "sdnext", "kohya", "supermerger"] {
        assert!(refused.contains(&program), "{refused:?}");
        assert_eq!(factor(&compared, "whole", "IN04", program), None);
    }
    assert_eq!(factor(&compared, "whole", "IN04", "inspire"), Some(0.5));
    // A file that is not there is taken for a plain LoRA with every block.
    let compared = read(&format!("<lora:nowhere:1:lbw={LEFT}>"));
    assert!(!compared.loras[0].has_file && compared.loras[0].rows.len() > 20);
    assert_eq!(factor(&compared, "nowhere", "IN05", "webui"), Some(0.2));
}

#[test]
fn pictures_tell_who_drew_them() {
    let files = Files::new();
    let session = files.session();
    let drawn = |version: &str| {
        let text = format!(
            "cat <lora:unet:1:lbw={LEFT}> <lora:whole:1:lbw={RIGHT}>\nSteps: 20, Sampler: Euler, Seed: 1, {version}"
        );
        audit(&ImageText { parameters: Some(text), ..ImageText::default() }, &session).unwrap()
    };
    for (version, expected) in [
        ("Version: v1.10.1", Some("webui")),
        ("Version: f2.0.1v1.10.1-previous-659-gc055f2d4", Some("forge")),
        ("Version: f1.10.1-RC-latest-2184-g43c9e3b5", Some("reforge")),
        ("Version: classic", Some("reforge")),
        ("Version: neo", Some("neo")),
        ("Version: 1ad860f, App: SD.Next", Some("sdnext")),
        ("Version: stable-diffusion.cpp", Some("sdcpp")),
        ("Version: something", None),
        ("Size: 64x64", None),
    ] {
        assert_eq!(drawn(version).program.map(|at| PROGRAMS[at].id), expected, "{version}");
    }
    let forge = drawn("Version: f2.0.1v1.10.1-previous-659-gc055f2d4");
    assert_eq!(factor(&forge.comparison, "whole", "BASE", "forge"), Some(0.5));
    assert!(said(&forge.comparison, "forge").contains(&"W1302"));
    assert!(audit(&ImageText::default(), &session).is_none());
}

#[test]
fn nodes_of_comfyui_are_tags() {
    let files = Files::new();
    let session = files.session();
    let graph = format!(
        r#"{{"3": {{"class_type": "KSampler", "inputs": {{"seed": 1}}}},
            "11": {{"class_type": "LoraLoader", "inputs": {{"lora_name": "whole.safetensors", "strength_model": 0.5, "strength_clip": 1}}}},
            "4": {{"class_type": "LoraLoaderBlockWeight //Inspire", "inputs": {{"lora_name": "sub/holes.safetensors",
                  "strength_model": 0.8, "strength_clip": 1, "inverse": false, "A": 4.0, "B": 1.0, "block_vector": "MINE:{LEFT}"}}}}}}"#
    );
    let audited =
        audit(&ImageText { texts: vec![("prompt".to_owned(), graph)], ..ImageText::default() }, &session).unwrap();
    assert_eq!(audited.program, Some(at("inspire")));
    assert_eq!(audited.prompt, format!("<lora:holes:1:0.8:lbw={LEFT}><lora:whole:1:0.5>"));
    assert_eq!(factor(&audited.comparison, "holes", "IN07", "inspire"), Some(0.8 * 0.2));
    assert_eq!(factor(&audited.comparison, "whole", "IN07", "inspire"), Some(0.5));
    assert!(said(&audited.comparison, "inspire").contains(&"W1301"));
}
