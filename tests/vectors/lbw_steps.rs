//! Step windows: whether the UNet sees the LoRA at each model call.

use lbw::plan::{Request, lower};
use lbw::preset::PresetSet;
use serde_json::Value;

use crate::common::{Tally, number, rows};

#[test]
fn lbw_steps() {
    let mut tally = Tally::new("lbw_steps");
    for row in rows("lbw_steps") {
        tally.check(format!("{} {} {}", row["tag"], row["iterations"], row["calls_per_iteration"]), check(&row));
    }
    tally.finish();
}

fn check(row: &Value) -> Result<(), String> {
    let lowering = lower(&Request::new(row["tag"].as_str().unwrap(), ""), PresetSet::builtin());
    let plan = lowering.plan.ok_or_else(|| format!("{:?}", lowering.diagnostics))?;
    let lora = &plan.first.loras[0];
    for call in row["calls"].as_array().unwrap() {
        let on = lora.window.is_on(call["sampling_step"].as_i64().unwrap());
        let unet = if on { lora.unet } else { 0.0 };
        if unet != number(&call["unet"]) {
            return Err(format!("{unet} at {call}"));
        }
        // The text encoder's strength is only told here: the prompt is encoded before the first call.
        if on && lora.te != number(&call["te"]) {
            return Err(format!("te {} at {call}", lora.te));
        }
    }
    Ok(())
}
