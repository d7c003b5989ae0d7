//! How other tools read the same tag, worked out row by row.

use std::collections::BTreeMap;

use lbw::block::{Family, Space};
use lbw::infotext::{Infotext, ModelInfo, infotext};
use lbw::plan::{Dialect, LoraPlan, Lowering, Request, lower, lower_with_files};
use lbw::preset::{PresetSet, webui};
use proptest::prelude::*;

fn presets() -> PresetSet {
    let mut set = PresetSet::builtin().clone();
    set.add(webui::weights("mine.txt", "MINE:0.5,0,0,0,0,1,1,1,1,1,1,0.25").0);
    set
}

fn request(dialect: Dialect, family: Family, tag: &str) -> Request {
    let mut request = Request { family, ..Request::new(tag, "") };
    request.settings.lbw_dialect = dialect;
    request
}

/// Modules as a LoRA file has them: one in each part named, and in a text encoder.
fn modules(parts: &[&str]) -> Vec<String> {
    let mut names: Vec<_> = parts.iter().map(|part| format!("diffusion_model_{part}_1_proj_in")).collect();
    names.push("0_transformer_text_model_encoder_layers_0_mlp_fc1".to_owned());
    names
}

/// The factor of one module: strength × ratio.
fn factor(lora: &LoraPlan, family: Family, module: &str) -> f64 {
    let strength = if module.starts_with("diffusion_model") { lora.unet } else { lora.te };
    strength * lora.ratio(family, module)
}

/// A module of a block; of the outside: `time`, `out` (the output convolution), `embeddings` (of a text encoder).
fn module(name: &str) -> String {
    let number = |from: usize| name[from..].parse::<usize>().unwrap();
    match name {
        "BASE" => "0_transformer_text_model_encoder_layers_3_mlp_fc1".to_owned(),
        "time" => "diffusion_model_time_embed_0".to_owned(),
        "out" => "diffusion_model_out_2".to_owned(),
        "embeddings" => "0_transformer_text_model_embeddings_token_embedding".to_owned(),
        "M00" => "diffusion_model_middle_block_1_proj_in".to_owned(),
        _ if name.starts_with("mid") => format!("diffusion_model_middle_block_{}_x", number(3)),
        _ if name.starts_with("IN") => format!("diffusion_model_input_blocks_{}_1_proj_in", number(2)),
        _ => format!("diffusion_model_output_blocks_{}_1_proj_in", number(3)),
    }
}

struct Row {
    family: Family,
    tag: &'static str,
    /// Factors of modules, as `IN04=0.5`.
    factors: &'static str,
}

const fn xl(tag: &'static str, factors: &'static str) -> Row {
    Row { family: Family::Sdxl, tag, factors }
}

const fn sd(tag: &'static str, factors: &'static str) -> Row {
    Row { family: Family::Sd1, tag, factors }
}

fn check(row: &Row, lowering: Lowering) {
    let plan = lowering.plan.unwrap_or_else(|| panic!("{}: {:#?}", row.tag, lowering.diagnostics));
    for pair in row.factors.split_whitespace() {
        let (name, expect) = pair.split_once('=').unwrap();
        let got = factor(&plan.first.loras[0], row.family, &module(name));
        let expect: f64 = expect.parse().unwrap();
        assert!((got - expect).abs() < 1e-12, "{}: {name} is {got}, expected {expect}", row.tag);
    }
}

/// The code said about a tag that the dialect cannot read, and what it points at.
#[track_caller]
fn refused(dialect: Dialect, family: Family, tag: &str, code: &str, place: &str) {
    let lowering = lower(&request(dialect, family, tag), &presets());
    assert!(lowering.plan.is_none(), "{tag}");
    let said: Vec<_> = lowering.diagnostics.iter().map(|d| (d.code.id, d.pointed_at().unwrap_or(""))).collect();
    assert!(said.contains(&(code, place)), "{tag}: {said:?}");
    assert!(lowering.diagnostics.iter().all(|d| !d.help.is_empty()));
}

/// Source: github.com/hako-mikan/sd-webui-lora-block-weight, `scripts/lora_block_weight.py`: blocks that a vector does not name
/// get 0, modules outside the blocks 1.
#[test]
fn webui() {
    let rows = [
        xl("<lora:a:0.8>", "BASE=0.8 IN04=0.8 OUT05=0.8 time=0.8 out=0.8"),
        xl("<lora:a:0.8:0.5>", "BASE=0.8 IN04=0.5 time=0.5 out=0.5"),
        xl("<lora:a:1:lbw=0.5,0.4,1,1,1,1,1,1,1,1,1,0.2>", "BASE=0.5 IN04=0.4 OUT05=0.2 IN01=0 OUT08=0 time=1 out=1"),
        xl("<lora:a:2:lbw=0.5,0.4,1,1,1,1,1,1,1,1,1,0.2>", "BASE=1 IN04=0.8 OUT05=0.4 time=2"),
        xl("<lora:a:1:lbw=1,0,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1>", "BASE=1 OUT00=0 OUT03=0 OUT04=1 OUT05=1"),
        xl("<lora:a:1:lbw=OUTD>", "BASE=1 OUT00=0 OUT03=1 OUT05=1"),
        xl("<lora:a:1:lbw=MINE>", "BASE=0.5 IN04=0 M00=1 OUT05=0.25"),
        xl("<lora:a:1:in=0.5>", "BASE=1 IN04=1 OUT05=1"),
        sd("<lora:a:1:lbw=1,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.5>", "IN01=1 IN02=0 IN00=0 OUT11=0.5"),
        sd("<lora:a:0.5:lbw=1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1>", "IN00=0 OUT11=0.5 BASE=0.5"),
    ];
    rows.iter().for_each(|row| check(row, lower(&request(Dialect::Webui, row.family, row.tag), &presets())));
}

/// Source: github.com/vladmandic/sdnext, `modules/lora/extra_networks_lora.py` (`parse`: items by name), `modules/lora/network.py`
/// (`multiplier`: which modules a section holds), `modules/lora/lora_blocks.py` (`classify`, `parse_vector`, `classic_vector`).
#[test]
fn sdnext() {
    let rows = [
        // One number without a name is the strength of both; more are ignored.
        xl("<lora:a:0.8>", "BASE=0.8 IN04=0.8 time=0.8"),
        xl("<lora:a:0.8:0.5>", "BASE=0.8 IN04=0.8 OUT05=0.8"),
        xl("<lora:a:0.8:unet=0.5>", "BASE=0.8 IN04=0.5 out=0.5"),
        xl("<lora:a:te=0.3>", "BASE=0.3 IN04=0.3"),
        // Sections; modules outside the blocks go with the input blocks.
        xl("<lora:a:0.8:in=0.5>", "BASE=0.8 IN00=0.5 IN08=0.5 M00=0.8 OUT00=0.8 time=0.5 out=0.5 embeddings=0.8"),
        xl("<lora:a:1:in=0:mid=0.5:out=2>", "BASE=1 IN04=0 M00=0.5 OUT00=2 OUT08=2 out=0"),
        xl("<lora:a:1:unet=0.5:out=0.25>", "BASE=1 IN04=0.5 M00=0.5 OUT03=0.25 time=0.5"),
        // 12 numbers: what they do not name is 1.
        xl("<lora:a:1:lbw=0.5,0.4,1,1,1,1,1,1,1,1,1,0.2>", "BASE=0.5 IN04=0.4 OUT05=0.2 IN01=1 OUT08=1 time=0.5 out=1"),
        xl("<lora:a:2:lbw=MINE>", "BASE=1 IN04=0 M00=2 OUT05=0.5 OUT06=2 time=1"),
        // 20 numbers, 19 without BASE; the output convolution has the last one.
        xl("<lora:a:1:lbw=0.5,0,0,0,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,0.2>", "BASE=0.5 IN00=0 OUT08=0.2 out=0.2 time=0.5"),
        xl("<lora:a:1:lbw=0,0,0,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,0.2>", "BASE=1 IN00=0 OUT08=0.2 out=0.2 time=1"),
        // One number for everything.
        xl("<lora:a:2:lbw=0.5>", "BASE=1 IN04=1 M00=1 time=1 out=1 embeddings=1"),
        // Names in any case, made from halves of the sections: nine blocks each in SDXL, twelve in SD1.
        xl("<lora:a:1:lbw=outd>", "BASE=1 IN08=0 M00=0 OUT00=1 OUT04=1 OUT05=0 out=0 time=1"),
        xl("<lora:a:1:lbw=INS>", "BASE=1 IN00=1 IN04=1 IN05=0 M00=0 OUT00=0"),
        xl("<lora:a:1:lbw=MIDD>", "BASE=1 IN04=0 IN05=1 M00=1 OUT04=1 OUT05=0"),
        xl("<lora:a:1:lbw=NONE>", "BASE=0 IN04=0 M00=0 OUT08=0 time=0 out=0 embeddings=0"),
        sd("<lora:a:1:lbw=IND>", "BASE=1 IN05=0 IN06=1 IN11=1 M00=0"),
        sd(
            "<lora:a:1:lbw=0.5,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.5>",
            "IN01=1 IN02=0 IN00=1 OUT00=1 OUT11=0.5 out=0.5 time=0.5",
        ),
        // Sections and vectors multiply.
        xl("<lora:a:1:in=0.5:lbw=1,0.5,1,1,1,1,1,1,1,1,1,1>", "IN04=0.25 IN05=0.5 OUT05=1 BASE=1"),
    ];
    rows.iter().for_each(|row| check(row, lower(&request(Dialect::Sdnext, row.family, row.tag), &presets())));
    let refused = |tag, code, place| refused(Dialect::Sdnext, Family::Sdxl, tag, code, place);
    refused("<lora:a:1:lbw=1,1,1>", "E0227", "1,1,1");
    refused("<lora:a:1:lbw=R,1,1,1,1,1,1,1,1,1,1,1>", "E0227", "R,1,1,1,1,1,1,1,1,1,1,1");
    refused("<lora:a:1:lbw=1,0,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1>", "E0227", "1,0,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1");
    refused("<lora:a:1:lbw=NOPE>", "E0201", "NOPE");
    refused("<lora:a:1:in=x>", "E0207", "x");
}

/// Source: github.com/ltdrdata/ComfyUI-Inspire-Pack, `inspire/lora_block_weight.py`, class `LoraLoaderBlockWeight` (`validate`,
/// `convert_vector_value`, `block_spec_parser`, `load_lbw`); lengths also from `resources/lbw-preset.txt`.
#[test]
fn inspire() {
    let rows = [
        // The first number is for everything outside the numbered blocks.
        xl(
            "<lora:a:1:lbw=0.5,0.4,1,1,1,1,1,1,1,1,1,0.2>",
            "BASE=0.5 IN04=0.4 OUT05=0.2 time=0.5 out=0.5 embeddings=0.5",
        ),
        xl("<lora:a:0.5:lbw=0.5,0.4,1,1,1,1,1,1,1,1,1,0.2>", "BASE=0.25 IN04=0.2 OUT05=0.1 time=0.25"),
        xl("<lora:a:0.8:0.5:lbw=MINE>", "BASE=0.4 IN04=0 M00=0.5 OUT05=0.125"),
        // SDXL's 21: what kohya's LoCon has, the middle block in three parts.
        xl(
            "<lora:a:1:lbw=1,0.1,1,1,1,1,1,1,1,0.2,0.3,0.4,0.5,1,1,1,1,1,1,1,0.6>",
            "IN01=0.1 IN04=1 mid0=0.2 mid1=0.3 mid2=0.4 OUT00=0.5 OUT08=0.6",
        ),
        xl("<lora:a:1:lbw=A,b,B,a,1,1,1,1,1,1,1,-0.5>", "BASE=4 IN04=0.5 IN05=1 IN07=2 OUT05=-0.5"),
        // The notation by sections counts from 1.
        xl("<lora:a:1:lbw=%in1-2=0.5,default=1>", "BASE=1 IN04=0.5 IN05=0.5 IN07=1 M00=1 OUT05=1"),
        xl("<lora:a:1:lbw=%in1-4=0.5,default=0>", "BASE=0 IN04=0.5 IN08=0.5 M00=0 OUT00=0 time=0"),
        xl("<lora:a:1:lbw=%default=0.3,base=1,out6=0.9>", "BASE=1 IN04=0.3 OUT00=0.3 OUT05=0.9"),
        xl("<lora:a:2:lbw=%in=0,mid=0.5,out=1>", "BASE=2 IN04=0 M00=1 OUT03=2"),
        // Later items win; places that are not there are ignored.
        xl("<lora:a:1:lbw=%in=0.5,in2=1,in9=7,in0=7,double1=7>", "IN04=0.5 IN05=1 IN07=0.5 OUT05=1"),
        sd("<lora:a:1:lbw=1,0.1,0,0,0,0,0,0.7,0.8,1,1,1,1,1,1,1,0.5>", "IN01=0.1 IN02=0 M00=0.7 OUT03=0.8 OUT11=0.5"),
        // Twelve numbers on SD1 name its first blocks, the last one is repeated.
        sd("<lora:a:1:lbw=1,0.1,0,0,0,0,0,0.7,0.8,1,1,0.4>", "IN01=0.1 M00=0.7 OUT03=0.8 OUT05=1 OUT06=0.4 OUT11=0.4"),
    ];
    rows.iter().for_each(|row| check(row, lower(&request(Dialect::Inspire, row.family, row.tag), &presets())));
    let refused = |tag, code, place| refused(Dialect::Inspire, Family::Sdxl, tag, code, place);
    refused("<lora:a:1:lbw=1,1,1>", "E0227", "1,1,1");
    refused("<lora:a:1:lbw=X,1,1,1,1,1,1,1,1,1,1,1>", "E0227", "X,1,1,1,1,1,1,1,1,1,1,1");
    refused("<lora:a:1:lbw=1,0.5 0.2,1,1,1,1,1,1,1,1,1,1>", "E0227", "1,0.5 0.2,1,1,1,1,1,1,1,1,1,1");
    refused("<lora:a:1:lbw=%inn1=0.5>", "E0227", "%inn1=0.5");
    refused("<lora:a:1:lbw=%in1=-0.5>", "E0227", "%in1=-0.5");
    refused("<lora:a:1:lbw=SDXL-NOPE>", "E0201", "SDXL-NOPE");
}

/// The blocks of the file decide where a number goes.
#[test]
fn inspire_counts_the_blocks_of_the_file() {
    let all =
        ["input_blocks_1", "input_blocks_2", "input_blocks_4", "input_blocks_5", "input_blocks_7", "input_blocks_8"];
    let rest = [
        "middle_block_1",
        "output_blocks_0",
        "output_blocks_1",
        "output_blocks_2",
        "output_blocks_3",
        "output_blocks_4",
    ];
    let read = |parts: &[&str], tag: &'static str, factors| {
        let known = BTreeMap::from([("a".to_owned(), modules(parts))]);
        let request = request(Dialect::Inspire, Family::Sdxl, tag);
        check(&xl(tag, factors), lower_with_files(&request, &presets(), &|name| known.get(name).cloned()));
    };
    let parts = [&all[..], &rest[..]].concat();
    let tag = "<lora:a:1:lbw=1,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1,0.15>";
    read(
        &parts,
        tag,
        "IN01=0.1 IN02=0.2 IN04=0.3 IN05=0.4 IN07=0.5 IN08=0.6 M00=0.7 OUT00=0.8 OUT02=1 OUT03=0.15 OUT04=0.15",
    );
    read(&parts, "<lora:a:1:lbw=%in3=0.5,out1=0>", "IN01=1 IN04=0.5 OUT00=0 OUT01=1");
    // Too few blocks for the shortest vector that Inspire takes.
    let known = |_: &str| Some(modules(&["input_blocks_4", "output_blocks_0"]));
    let lowering =
        lower_with_files(&request(Dialect::Inspire, Family::Sdxl, "<lora:a:1:lbw=%in=0.5>"), &presets(), &known);
    assert_eq!(lowering.diagnostics[0].code, "E0227");
}

/// Source: github.com/kohya-ss/sd-scripts, `networks/svd_merge_lora.py` (`LAYER12` to `LAYER26`, `format_lbws`,
/// `get_lbw_block_index`, `merge_lora_models`).
#[test]
fn kohya() {
    let rows = [
        xl(
            "<lora:a:1:lbw=0.5,0.4,1,1,1,1,1,1,1,1,1,0.2>",
            "BASE=0.5 IN04=0.4 OUT05=0.2 IN01=1 OUT08=1 time=1 out=1 embeddings=1",
        ),
        xl("<lora:a:1:lbw=[0.5,0.4,1,1,1,1,1,1,1,1,1,0.2]>", "BASE=0.5 IN04=0.4 OUT05=0.2 IN01=1 OUT08=1 time=1"),
        xl("<lora:a:0.5:lbw=[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1e-1]>", "BASE=0 IN04=0.5 IN05=0 OUT05=0.05 IN01=0.5"),
        xl("<lora:a:2:lbw=MINE>", "BASE=1 IN04=0 M00=2 OUT05=0.5 IN01=2"),
        // 20 numbers: the embeddings of time and size go with IN00.
        xl(
            "<lora:a:1:lbw=0.5,0.3,0,0,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,0.2>",
            "BASE=0.5 IN00=0.3 time=0.3 IN01=0 OUT08=0.2 out=1",
        ),
        // A length of another family finds text encoders only.
        xl("<lora:a:1:lbw=0.5,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0>", "BASE=0.5 IN04=1 M00=1 OUT05=1"),
        xl("<lora:a:1:lbw=0.5,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0>", "BASE=0.5 IN00=1 M00=1 time=1"),
        sd("<lora:a:1:lbw=0.5,0,0,0,0,0,0,0,0,0,0,0>", "BASE=0.5 IN04=1 M00=1 OUT05=1"),
        sd("<lora:a:1:lbw=1,0.5,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.5>", "BASE=1 IN00=1 IN01=0.5 IN02=0 OUT00=1 OUT11=0.5"),
        sd(
            "<lora:a:1:lbw=0.5,0,0,0,0,0,0,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1,1,1,0.2>",
            "BASE=0.5 IN00=0 M00=0 OUT00=1 OUT11=0.2 time=1",
        ),
        sd("<lora:a:0.8:0.5>", "BASE=0.8 IN04=0.5 time=0.5"),
    ];
    rows.iter().for_each(|row| check(row, lower(&request(Dialect::Kohya, row.family, row.tag), &presets())));
    let refused = |tag, code, place| refused(Dialect::Kohya, Family::Sdxl, tag, code, place);
    refused("<lora:a:1:lbw=[1,1,1]>", "E0227", "[1,1,1]");
    refused("<lora:a:1:lbw=R,1,1,1,1,1,1,1,1,1,1,1>", "E0227", "R,1,1,1,1,1,1,1,1,1,1,1");
    refused("<lora:a:1:lbw=.5,1,1,1,1,1,1,1,1,1,1,1>", "E0227", ".5,1,1,1,1,1,1,1,1,1,1,1");
    refused("<lora:a:1:lbw=NOPE>", "E0201", "NOPE");
}

#[test]
fn other_tools_notations_are_named() {
    let said = |dialect, tag: &str, code: &str, place: &str, help: &str| {
        let found = lower(&request(dialect, Family::Sdxl, tag), &presets()).diagnostics;
        let said = found.iter().find(|d| d.code == code).unwrap_or_else(|| panic!("{tag}: {found:#?}"));
        assert_eq!(said.pointed_at(), Some(place), "{tag}");
        assert!(said.help.iter().any(|h| h.contains(help)), "{said:#?}");
    };
    said(Dialect::Webui, "<lora:a:1:mid=0.5>", "W0226", "mid=0.5", "--lbw-dialect sdnext");
    said(
        Dialect::Webui,
        "<lora:a:1:lbw=%in1-4=0.5,default=1>",
        "E0227",
        "lbw=%in1-4=0.5,default=1",
        "--lbw-dialect inspire",
    );
    said(Dialect::Webui, "<lora:a:1:lbw=%mid=0>", "E0227", "lbw=%mid=0", "--lbw-dialect inspire");
    said(Dialect::Webui, "<lora:a:1:1:1:lbw=%default>", "E0227", "%default", "--lbw-dialect inspire");
    let list = "[1,1,1,1,1,1,1,1,1,1,1,1]";
    said(Dialect::Webui, &format!("<lora:a:1:lbw={list}>"), "E0227", "[1", "--lbw-dialect kohya");
    said(Dialect::Kohya, "<lora:a:1:out=0>", "W0226", "out=0", "--lbw-dialect sdnext");
    said(Dialect::Sdnext, "<lora:a:1:start=5>", "W0226", "start=5", "remove it");
    said(Dialect::Sdnext, "<lora:a:1:0.5>", "W0228", "0.5", "`unet=`");
    let sd1 = "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1";
    said(Dialect::Kohya, &format!("<lora:a:1:lbw={sd1}>"), "W0228", sd1, "12 or 20");
    let flux = request(Dialect::Sdnext, Family::Flux, "<lora:a:1:lbw=0.5>");
    assert_eq!(lower(&flux, &presets()).diagnostics[0].code, "E0227");
}

/// Random weights and the dialect come back from a pasted infotext, so the same plan results.
#[test]
fn infotext_keeps_the_dialect_and_the_drawn_weights() {
    let vector = "1,R,U,1,1,1,1,1,1,1,1,R";
    for (dialect, count) in [(Dialect::Webui, 3), (Dialect::Inspire, 3)] {
        let mut first = request(dialect, Family::Sdxl, &format!("x <lora:a:1:lbw={vector}>"));
        first.settings.seed = 1234;
        let plan = lower(&first, &presets()).plan.unwrap();
        assert_eq!(plan.first.drawn.len(), count);
        assert_eq!(
            [plan.first.loras[0].blocks[5], plan.first.loras[0].blocks[6], plan.first.loras[0].blocks[19]],
            plan.first.drawn[..]
        );
        let text = infotext(&plan, &ModelInfo::default());
        let drawn = plan.first.drawn.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
        assert!(text.contains(&format!("LBW drawn weights: {drawn}")), "{text}");
        assert_eq!(text.contains("LBW dialect: inspire"), dialect == Dialect::Inspire);
        let mut again = request(Dialect::Webui, Family::Sdxl, "");
        let pasted = Infotext::parse(&text).paste().unwrap();
        assert_eq!(pasted.not_understood, []);
        let mut wanted = lbw::plan::Wanted::default();
        pasted.patch.apply(&mut wanted);
        again.settings = wanted.settings;
        let again = Request { prompt: lbw::diagnostic::Source::new("prompt", wanted.texts.prompt), ..again };
        let mut same = plan;
        same.first.settings = again.settings.clone();
        assert_eq!(lower(&again, &presets()).plan.unwrap(), same);
    }
}

#[test]
fn names_are_read_back() {
    for dialect in Dialect::ALL {
        assert_eq!(Dialect::from_name(dialect.name()), Some(dialect));
        assert_eq!(serde_json::to_value(dialect).unwrap(), dialect.name());
    }
}

proptest! {
    /// A vector that names every block means the same in every dialect, at any strength: factor(w, v) = w·v.
    #[test]
    fn full_vectors_mean_the_same_everywhere(strength in -2.0..2.0f64, weights in prop::collection::vec(-200..200i32, 20)) {
        let weights: Vec<f64> = weights.into_iter().map(|w| f64::from(w) / 100.0).collect();
        let vector = weights.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
        let tag = format!("<lora:a:{strength}:lbw={vector}>");
        let parts: Vec<String> = (0..9).map(|n| format!("input_blocks_{n}"))
            .chain(["middle_block_1".to_owned()])
            .chain((0..9).map(|n| format!("output_blocks_{n}"))).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let known = |_: &str| Some(modules(&parts));
        for dialect in Dialect::ALL {
            let plan = lower_with_files(&request(dialect, Family::Sdxl, &tag), &presets(), &known).plan.unwrap();
            let names = lbw::block::Layout::Sdxl20;
            for (entry, weight) in weights.iter().enumerate() {
                let block = names.block(entry).unwrap();
                prop_assert_eq!(factor(&plan.first.loras[0], Family::Sdxl, &module(block.name())), strength * weight);
            }
        }
    }

    /// Each dialect reads its vector back from the plan: writing a plan's blocks as a full vector gives the same plan.
    #[test]
    fn dialects_round_trip(weights in prop::collection::vec(-200..200i32, 12), which in 0..4usize) {
        let dialect = Dialect::ALL[which];
        let vector = weights.iter().map(|w| (f64::from(*w) / 100.0).to_string()).collect::<Vec<_>>().join(",");
        let read = |vector: &str| {
            lower(&request(dialect, Family::Sdxl, &format!("<lora:a:lbw={vector}>")), &presets()).plan.unwrap().first.loras.remove(0)
        };
        let first = read(&vector);
        let space = Space::Unet.names();
        let written: Vec<String> = match dialect {
            // Twelve numbers are all that Inspire gives to a LoRA of attention modules.
            Dialect::Inspire => first.blocks.iter().zip(space).filter(|(_, name)| {
                ["BASE", "IN04", "IN05", "IN07", "IN08", "M00", "OUT00", "OUT01", "OUT02", "OUT03", "OUT04", "OUT05"].contains(name)
            }).map(|(weight, _)| weight.to_string()).collect(),
            _ => (0..20).map(|at| first.blocks[lbw::block::Layout::Sdxl20.block(at).unwrap().index()].to_string()).collect(),
        };
        let again = read(&written.join(","));
        for name in space.iter().take(10).chain(&space[13..23]).chain(&["embeddings"]) {
            prop_assert_eq!(factor(&again, Family::Sdxl, &module(name)), factor(&first, Family::Sdxl, &module(name)), "{}", name);
        }
    }

    #[test]
    fn every_dialect_is_total(text in "<lora:a:[-0-9.,%=a-z\\[\\] RUXAB:]{0,60}>", which in 0..4usize) {
        let lowering = lower(&request(Dialect::ALL[which], Family::Sdxl, &text), &presets());
        for found in &lowering.diagnostics {
            prop_assert!(found.labels.iter().all(|l| text.get(l.span.clone()).is_some()), "{:?}", found);
        }
    }
}
