//! Every kind of network in every naming scheme: its delta per checkpoint tensor, with both key tables, and the effect of
//! webui's block weight on it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use candle_core::Tensor;
use lbw::block::Family;
use lbw::checkpoint::Checkpoint;
use lbw::lora::{KeyTable, LoraError, ModuleTable, Network, Strength};
use serde_json::Value;

use crate::common::{self, Tally};
use crate::numeric::{load_tensors, max_abs_diff, values, within};

/// Strengths and ratio that deltas are asked for with.
#[derive(Clone, Copy)]
struct Factor {
    te: f64,
    unet: f64,
    ratio: f64,
    exact: bool,
}

const FULL: Factor = Factor { te: 1.0, unet: 1.0, ratio: 1.0, exact: false };

struct Fixture {
    checkpoint: std::sync::Arc<Checkpoint>,
    table: ModuleTable,
}

/// Deltas by checkpoint tensor, of the tensor's shape.
type Deltas = BTreeMap<String, Tensor>;

#[test]
fn lora_kinds() {
    let Some(json) = common::case_file("lora_kinds/lora_kinds") else { return };
    let checkpoint = crate::checkpoint::named_by(&json, "lora_kinds");
    let file = checkpoint.file();
    let table = ModuleTable::new(Family::Sdxl, file.names().map(|name| (name, file.shape(name).unwrap())));
    let fixture = Fixture { checkpoint: checkpoint.clone(), table };
    let mut tally = Tally::new("lora_kinds");
    for case in json["cases"].as_array().unwrap() {
        fixture.check(case, &json["tolerance"], &mut tally);
    }
    tally.finish();
}

impl Fixture {
    fn check(&self, case: &Value, tolerances: &Value, tally: &mut Tally) {
        let kind = case["kind"].as_str().unwrap();
        let tolerance = tolerance(case, tolerances);
        let path = folder().join(case["file"].as_str().unwrap());
        let loads = case["a1111_1_10_loads"] == true;
        let webui = Network::open(&path, &self.table, KeyTable::Webui);
        let lenient = Network::open(&path, &self.table, KeyTable::Lenient);

        let expected = expected(case);
        if loads {
            let webui = webui.unwrap_or_else(|e| panic!("{kind}: {e}"));
            tally.check(format!("{kind}, webui"), compare(&self.deltas(&webui, FULL), &expected, tolerance));
            let matched = webui.modules().len() + webui.without_effect().len();
            tally.check(
                format!("{kind}, count"),
                equal("modules", matched as u64, case["n_a1111_modules"].as_u64().unwrap()),
            );
            tally.check(format!("{kind}, blocks"), blocks(&webui, case));
            self.check_strengths(&webui, case, tolerance, tally);
            self.check_ratio(&webui, case, &expected, tolerance, tally);
        } else {
            let nothing = matches!(webui, Err(LoraError::NoModules { .. } | LoraError::UnknownKind { .. }));
            tally.check(
                format!("{kind}, webui loads nothing"),
                if nothing { Ok(()) } else { Err(format!("{webui:?}")) },
            );
        }

        let meant = match case["reference"].as_str() {
            Some(file) => self.by_tensor(load(file)),
            None => expected,
        };
        let lenient = lenient.unwrap_or_else(|e| panic!("{kind}: {e}"));
        tally.check(format!("{kind}, lenient"), compare(&self.deltas(&lenient, FULL), &meant, tolerance));
    }

    fn check_strengths(&self, network: &Network, case: &Value, tolerance: f64, tally: &mut Tally) {
        let got = self.deltas(network, Factor { te: 0.6, unet: -0.8, ..FULL });
        for (tensor, expected) in case["mult_te0.6_unet-0.8"].as_object().into_iter().flatten() {
            let row = format!("{} × strengths, {tensor}", case["kind"]);
            tally.check(row, summary(got.get(tensor), expected, tolerance));
        }
    }

    /// Block weight 0.5 everywhere, as the extension applies it; where that raises, lbw scales the delta.
    fn check_ratio(&self, network: &Network, case: &Value, expected: &Deltas, tolerance: f64, tally: &mut Tally) {
        let half = Factor { ratio: 0.5, ..FULL };
        let in_block = |tensor: &str| !case["params"][tensor]["block"].is_null();
        let ratio = |tensor: &str| if in_block(tensor) { 0.5 } else { 1.0 };
        let halved: Deltas = expected.iter().map(|(n, t)| (n.clone(), t.affine(ratio(n), 0.0).unwrap())).collect();
        let row = |what: &str| format!("{} × 0.5, {what}", case["kind"]);
        let raises = !case["lbw_all_0.5"]["error_in_extension"].is_null();
        if raises {
            let warned = network.modules().iter().any(|m| m.quirks().contains(&lbw::lora::Quirk::ExtensionFails));
            tally.check(row("warning"), if warned { Ok(()) } else { Err("no module says so".to_owned()) });
            tally.check(row("delta"), compare(&self.deltas(network, half), &halved, tolerance));
        } else {
            let got = self.deltas(network, half);
            for (tensor, expected) in case["lbw_all_0.5"].as_object().into_iter().flatten() {
                tally.check(row(tensor), summary(got.get(tensor), expected, tolerance));
            }
        }
        let exact = self.deltas(network, Factor { exact: true, ..half });
        tally.check(row("exact"), compare(&exact, &halved, tolerance));
        let off = self.deltas(network, Factor { ratio: 0.0, exact: true, ..FULL });
        let outside = expected.keys().filter(|tensor| !in_block(tensor));
        tally.check(row("off"), if off.keys().eq(outside) { Ok(()) } else { Err(format!("changes {:?}", off.keys())) });
    }

    /// Golden deltas under file keys, as deltas of the tensors these keys are meant for.
    fn by_tensor(&self, deltas: Deltas) -> Deltas {
        let mut tensors = Deltas::new();
        for (name, delta) in deltas {
            match self.table.module_of(&name).and_then(|module| self.table.target(&module)) {
                Some(target) => {
                    let full = self.checkpoint.file().f32(&target.tensor).unwrap();
                    add(&mut tensors, &target.tensor, full, target.rows, delta);
                }
                None => drop(tensors.insert(name, delta)),
            }
        }
        tensors
    }

    fn deltas(&self, network: &Network, factor: Factor) -> Deltas {
        let mut deltas = Deltas::new();
        for module in network.modules() {
            let target = module.target();
            let full = self.checkpoint.file().f32(&target.tensor).unwrap();
            let base = target.part_of(&full).unwrap();
            let strength = if module.strength() == Strength::Te { factor.te } else { factor.unet };
            let ratio = if module.block().is_some() { factor.ratio } else { 1.0 };
            let delta = module.delta(&base, strength, ratio, factor.exact).unwrap();
            if let Some(weight) = delta.weight {
                assert_eq!(weight.dims(), target.shape);
                add(&mut deltas, &target.tensor, full, target.rows.clone(), weight);
            }
            if let (Some(bias), Some(name)) = (delta.bias, &target.bias) {
                let full = self.checkpoint.file().f32(name).unwrap();
                add(&mut deltas, name, full, target.rows.clone(), bias);
            }
        }
        deltas
    }
}

/// Adds `delta` to the rows `rows` of the delta of tensor `name`, whose base value is `full`.
fn add(deltas: &mut Deltas, name: &str, full: Tensor, rows: Option<std::ops::Range<usize>>, delta: Tensor) {
    let sum = deltas.remove(name).unwrap_or_else(|| full.zeros_like().unwrap());
    let start = rows.map_or(0, |rows| rows.start);
    let end = start + delta.dim(0).unwrap();
    let before = sum.narrow(0, 0, start).unwrap();
    let middle = (sum.narrow(0, start, end - start).unwrap() + delta).unwrap();
    let after = sum.narrow(0, end, sum.dim(0).unwrap() - end).unwrap();
    let pieces: Vec<_> = [before, middle, after].into_iter().filter(|t| t.elem_count() > 0).collect();
    deltas.insert(name.to_owned(), Tensor::cat(&pieces, 0).unwrap());
}

fn folder() -> PathBuf {
    common::vectors().join("num/lora_kinds")
}

fn load(file: &str) -> Deltas {
    let tensors: HashMap<String, Tensor> =
        load_tensors(&format!("lora_kinds/{}", file.trim_end_matches(".safetensors")));
    tensors.into_iter().collect()
}

/// `expected_scale` × the expected file restricted to `expected_subset`, without what webui loses.
fn expected(case: &Value) -> Deltas {
    let Some(file) = case["expected"].as_str() else { return Deltas::new() };
    let names = |field: &str| -> Option<Vec<&str>> {
        Some(case[field].as_array()?.iter().map(|name| name.as_str().unwrap()).collect())
    };
    let subset = names("expected_subset");
    let missing = names("missing_in_a1111").unwrap_or_default();
    let scale = case["expected_scale"].as_f64().unwrap_or(1.0);
    load(file)
        .into_iter()
        .filter(|(name, _)| subset.as_ref().is_none_or(|subset| subset.contains(&name.as_str())))
        .filter(|(name, _)| !missing.contains(&name.as_str()))
        .map(|(name, tensor)| (name, tensor.affine(scale, 0.0).unwrap()))
        .collect()
}

/// The tolerance of the case's kind; kinds that need a matrix inverse have their own, written before a remark.
fn tolerance(case: &Value, tolerances: &Value) -> f64 {
    let rotates = case["kind"].as_str().unwrap().contains("oft");
    let special = tolerances["oft"].as_str().and_then(|text| text.split_whitespace().next()?.parse().ok());
    special.filter(|_| rotates).unwrap_or_else(|| tolerances["rel_to_max"].as_f64().unwrap())
}

fn equal(what: &str, got: u64, expected: u64) -> Result<(), String> {
    if got == expected { Ok(()) } else { Err(format!("{what}: {got}, expected {expected}")) }
}

fn compare(got: &Deltas, expected: &Deltas, tolerance: f64) -> Result<(), String> {
    if !got.keys().eq(expected.keys()) {
        return Err(format!("changes {:?}\n    expected {:?}", got.keys(), expected.keys()));
    }
    for (name, expected) in expected {
        let max = values(expected).into_iter().fold(0.0, |m, v| f64::max(m, v.abs()));
        within(name, max_abs_diff(&got[name], expected), tolerance * max)?;
    }
    Ok(())
}

/// A delta against its first elements, sum and root mean square.
fn summary(got: Option<&Tensor>, expected: &Value, tolerance: f64) -> Result<(), String> {
    let got = values(got.ok_or("not changed")?);
    let max = got.iter().fold(0.0, |m, v| f64::max(m, v.abs()));
    let first: Vec<f64> = expected["first"].as_array().unwrap().iter().map(common::number).collect();
    let close = |what: &str, got: f64, expected: f64, tolerance: f64| {
        if (got - expected).abs() <= tolerance { Ok(()) } else { Err(format!("{what}: {got}, expected {expected}")) }
    };
    for (got, expected) in got.iter().zip(&first) {
        close("first", *got, *expected, tolerance * max)?;
    }
    if let Some(sum) = expected["sum"].as_f64() {
        close("sum", got.iter().sum(), sum, tolerance * max * got.len() as f64)?;
    }
    if let Some(rms) = expected["rms"].as_f64() {
        let square = got.iter().map(|v| v * v).sum::<f64>() / got.len() as f64;
        close("rms", square.sqrt(), rms, tolerance * max)?;
    }
    Ok(())
}

/// The block of every changed parameter.
fn blocks(network: &Network, case: &Value) -> Result<(), String> {
    for module in network.modules() {
        let expected = &case["params"][&module.target().tensor]["block"];
        let got = module.block().map(|b| b.name());
        if got != expected.as_str() {
            return Err(format!("{}: block {got:?}, expected {expected}", module.name()));
        }
    }
    Ok(())
}
