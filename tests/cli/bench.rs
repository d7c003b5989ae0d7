//! `lbw bench` as a user runs it.

use serde_json::Value;

use crate::sandbox::{Sandbox, json};

#[test]
fn the_bench_measures_every_part() {
    let s = Sandbox::new();
    let (out, _) = s.expect(0, &["bench", "--rounds", "1", "--size", "64x64", "--json"]);
    let report = json(&out);
    for time in ["/open", "/load", "/text", "/sizes/0/unet/0/seconds", "/sizes/0/unet/1/seconds", "/sizes/0/vae_decode"]
    {
        assert!(report.pointer(time).and_then(Value::as_f64).is_some_and(|t| t > 0.0), "{time}\n{out}");
    }
    let merged = report["lora"]["merged_parameters"].as_u64().unwrap();
    let blocks = report["lora"]["reweight"].as_array().unwrap();
    assert_eq!(blocks.iter().map(|b| b["parameters"].as_u64().unwrap()).sum::<u64>(), merged);
    let (_, err) = s.expect(2, &["bench", "--lora", "nobody"]);
    assert!(err.contains("there is no LoRA called `nobody`"), "{err}");
}
