//! One prompt in every dialect: the factors that differ.

use serde_json::{Value, json};

use super::plan::{blocks_of, number};
use crate::app::answer::Answer;
use crate::app::session::Session;
use crate::block::{Block, Family};
use crate::diagnostic::{Diagnostic, Severity, Text};
use crate::plan::{Dialect, LoraPlan, Lowering, Request, lower_with_files};
use crate::say;

/// A row of the comparison: its name, and a module that stands for it.
struct Probe {
    name: String,
    module: String,
}

/// The factors of a request's LoRAs in every dialect: for each LoRA an answer, and what some cannot read.
pub fn compare(request: &Request, session: &Session) -> (Vec<Answer>, Text) {
    let read = Dialect::ALL.map(|dialect| {
        let mut request = request.clone();
        request.settings.lbw_dialect = dialect;
        (dialect, lower_with_files(&request, &session.presets, &|name| session.modules_of(name)))
    });
    let names: Vec<&str> = read
        .iter()
        .find_map(|(_, lowering)| lowering.plan.as_ref())
        .map_or(Vec::new(), |plan| plan.first.loras.iter().map(|lora| lora.name.as_str()).collect());
    let of_lora = |(at, name): (usize, &&str)| {
        let probes = probes(request.family, session.modules_of(name).as_deref());
        let rows: Vec<(&Probe, Vec<Option<f64>>)> =
            probes.iter().map(|probe| (probe, factors(&read, at, request.family, &probe.module))).collect();
        Answer::new(as_json(name, &rows), as_table(name, &rows))
    };
    let answers: Vec<Answer> = names.iter().enumerate().map(of_lora).collect();
    let mut rest = Vec::new();
    if answers.is_empty() {
        rest.push(say!("there is no LoRA tag that a dialect can read\n", "読める LoRA タグがありません\n"));
    }
    for (dialect, error) in
        read.iter().flat_map(|(dialect, lowering)| errors(lowering).map(move |error| (dialect, error)))
    {
        let (tool, why) = (dialect.tool(), &error.message);
        rest.push(say!("{tool} cannot read it: {why}\n", "{tool} では読めません: {why}\n", with why));
    }
    (answers, Text::join(rest, ""))
}

fn errors(lowering: &Lowering) -> impl Iterator<Item = &Diagnostic> {
    lowering.diagnostics.iter().filter(|d| d.severity == Severity::Error)
}

/// The factor of `module` in each dialect; nothing where the dialect cannot read the prompt.
fn factors(read: &[(Dialect, Lowering)], at: usize, family: Family, module: &str) -> Vec<Option<f64>> {
    let strength = |lora: &LoraPlan| if module.starts_with("diffusion_model") { lora.unet } else { lora.te };
    let factor = |lora: &LoraPlan| strength(lora) * lora.ratio(family, module);
    read.iter().map(|(_, lowering)| Some(factor(lowering.plan.as_ref()?.first.loras.get(at)?))).collect()
}

/// The blocks and what lies outside them: those the LoRA has, or without its file all there are.
fn probes(family: Family, modules: Option<&[String]>) -> Vec<Probe> {
    let block = |block: Block| {
        let number = |from: usize| block.name()[from..].parse::<usize>().unwrap_or(0);
        let module = match block.name() {
            "BASE" => "transformer_text_model_encoder_layers_0".to_owned(),
            "M00" => "diffusion_model_middle_block_1_0".to_owned(),
            name if name.starts_with("IN") => format!("diffusion_model_input_blocks_{}_0", number(2)),
            _ => format!("diffusion_model_output_blocks_{}_0", number(3)),
        };
        let has = |modules: &[String]| modules.iter().any(|m| Block::of_module(family, m) == Some(block));
        modules.is_none_or(has).then(|| Probe { name: block.name().to_owned(), module })
    };
    let outside = |(name, module): (&str, &str)| {
        let has = |modules: &[String]| modules.iter().any(|m| m.contains(module));
        modules.is_none_or(has).then(|| Probe { name: name.to_owned(), module: module.to_owned() })
    };
    let middle =
        [("M00, first part", "diffusion_model_middle_block_0_"), ("M00, last part", "diffusion_model_middle_block_2_")];
    let others = [
        ("time embedding", "diffusion_model_time_embed_"),
        ("size embedding", "diffusion_model_label_emb_"),
        ("output convolution", "diffusion_model_out_"),
        ("token embedding", "transformer_text_model_embeddings_token_embedding"),
    ];
    let blocks = blocks_of(family).filter_map(block);
    blocks.chain(middle.into_iter().chain(others).filter_map(outside)).collect()
}

fn differs(row: &[Option<f64>]) -> bool {
    let mut known = row.iter().flatten();
    known.next().is_some_and(|first| known.any(|other| (other - first).abs() > 1e-9))
}

fn as_table(name: &str, rows: &[(&Probe, Vec<Option<f64>>)]) -> Text {
    let mut table = format!("  {:<18}", "");
    Dialect::ALL.iter().for_each(|dialect| table += &format!(" {:>9}", dialect.name()));
    table.push('\n');
    for (probe, row) in rows.iter().filter(|(_, row)| differs(row)) {
        table += &format!("  {:<18}", probe.name);
        row.iter().for_each(|factor| table += &format!(" {:>9}", factor.map_or("-".to_owned(), number)));
        table.push('\n');
    }
    let same: Vec<_> = rows.iter().filter(|(_, row)| !differs(row)).map(|(probe, _)| probe.name.as_str()).collect();
    let same = match same.join(", ") {
        none if none.is_empty() => Text::default(),
        same => say!("  the same in all that can read it: {same}\n", "  読めるものすべてで同じ: {same}\n"),
    };
    say!("{name}: factors\n{table}{same}", "{name}: 係数\n{table}{same}", with same)
}

fn as_json(name: &str, rows: &[(&Probe, Vec<Option<f64>>)]) -> Value {
    let row = |(probe, factors): &(&Probe, Vec<Option<f64>>)| {
        let named =
            Dialect::ALL.iter().zip(factors).map(|(dialect, factor)| (dialect.name().to_owned(), json!(factor)));
        (probe.name.clone(), Value::Object(named.collect()))
    };
    json!({ "lora": name, "factors": Value::Object(rows.iter().map(row).collect()) })
}
