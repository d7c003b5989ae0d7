//! Plans as JSON: the format number, and plans of the older format.

use serde::de::Error as _;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{
    Hires, HiresSize, HiresUpscaler, LoraPlan, Part, Pass, Plan, ResizeMode, Sampler, Schedule, ScheduleType, Settings,
    Start, UniPcOptions,
};
use crate::block::Family;

/// The format number written into every plan. 1 had one pass, and the halves of a second one in two places.
pub const FORMAT: u32 = 2;

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut plan = serializer.serialize_struct("Plan", 3)?;
        plan.serialize_field("format", &FORMAT)?;
        plan.serialize_field("family", &self.family)?;
        plan.serialize_field("passes", &self.passes().collect::<Vec<_>>())?;
        plan.end()
    }
}

impl<'de> Deserialize<'de> for Plan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        // The number is looked at first, so that a plan of another format is called that and not malformed.
        let format = match value.get("format") {
            None => return Err(D::Error::custom("it has no format number")),
            Some(format) => format.as_u64().ok_or_else(|| D::Error::custom("its format is no number that there is"))?,
        };
        if ![1, u64::from(FORMAT)].contains(&format) {
            return Err(D::Error::custom(format!("it has format {format}, this lbw reads formats 1 and {FORMAT}")));
        }
        // A list would be taken for the values of the first fields, and nothing for the defaults of all.
        let settings = value["passes"].as_array().into_iter().flatten().map(|pass| &pass["settings"]);
        if settings.chain(value.get("settings")).any(|given| given.as_object().is_none_or(|given| given.is_empty())) {
            return Err(D::Error::custom("settings of it are no object or empty"));
        }
        match format {
            1 => serde_json::from_value::<Format1>(value).map(Plan::from).map_err(D::Error::custom),
            _ => {
                let Format2 { family, passes } = serde_json::from_value(value).map_err(D::Error::custom)?;
                let mut passes = passes.into_iter();
                let first = passes.next().ok_or_else(|| D::Error::custom("it has no pass"))?;
                Ok(Plan { family, first, later: passes.collect() })
            }
        }
    }
}

#[derive(Deserialize)]
struct Format2 {
    family: Family,
    passes: Vec<Pass>,
}

#[derive(Deserialize)]
struct Format1 {
    family: Family,
    prompt: String,
    negative_prompt: String,
    positive: Vec<Part>,
    negative: Schedule,
    loras: Vec<LoraPlan>,
    #[serde(default)]
    drawn: Vec<f64>,
    settings: Settings1,
    #[serde(default)]
    hires: Option<HiresPrompts1>,
}

#[derive(Deserialize)]
struct Settings1 {
    #[serde(flatten)]
    settings: Settings,
    #[serde(default)]
    unipc: UniPcOptions,
    #[serde(default)]
    img2img: Option<Img2Img1>,
    #[serde(default)]
    hires: Option<Hires1>,
}

#[derive(Deserialize)]
struct Img2Img1 {
    image: String,
    denoising_strength: f64,
    #[serde(default)]
    fix_steps: bool,
    #[serde(default)]
    resize_mode: ResizeMode,
    #[serde(default)]
    noise_multiplier: Option<f64>,
}

#[derive(Deserialize)]
struct Hires1 {
    size: HiresSize,
    steps: u32,
    upscaler: HiresUpscaler,
    denoising_strength: f64,
    sampler: Option<Sampler>,
    schedule_type: Option<ScheduleType>,
}

#[derive(Deserialize)]
struct HiresPrompts1 {
    #[serde(default)]
    prompt: String,
    #[serde(default)]
    negative_prompt: String,
    positive: Vec<Part>,
    negative: Schedule,
    loras: Vec<LoraPlan>,
}

impl From<Format1> for Plan {
    fn from(old: Format1) -> Self {
        let Settings1 { settings, unipc, img2img, hires } = old.settings;
        let settings = settings.with_unipc(unipc);
        let start = img2img.map_or(Start::Noise, |old| Start::Picture {
            image: old.image,
            denoising_strength: old.denoising_strength,
            fix_steps: old.fix_steps,
            resize_mode: old.resize_mode,
            noise_multiplier: old.noise_multiplier.unwrap_or(1.0),
            mask: None,
            color_correction: false,
            conditional_mask_weight: 1.0,
        });
        let (prompt, negative_prompt) = (old.prompt, old.negative_prompt);
        let or_first = |own: String, first: &String| if own.is_empty() { first.clone() } else { own };
        let later = hires.zip(old.hires).map(|(hires, texts)| {
            let hires = Hires {
                size: hires.size,
                steps: hires.steps,
                upscaler: hires.upscaler,
                denoising_strength: hires.denoising_strength,
                sampler: hires.sampler,
                schedule_type: hires.schedule_type,
                ..Hires::default()
            };
            Pass {
                start: hires.start(&settings),
                prompt: or_first(texts.prompt, &prompt),
                negative_prompt: or_first(texts.negative_prompt, &negative_prompt),
                positive: texts.positive,
                negative: texts.negative,
                loras: texts.loras,
                drawn: Vec::new(),
                settings: hires.settings_of(&settings),
            }
        });
        let (positive, negative, loras, drawn) = (old.positive, old.negative, old.loras, old.drawn);
        let first = Pass { start, prompt, negative_prompt, positive, negative, loras, drawn, settings };
        Plan { family: old.family, first, later: later.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plans_of_the_old_format_are_read() {
        let part =
            json!([{ "weight": 1.0, "schedule": [{ "last_step": 20, "pieces": [{ "text": "a", "weight": 1.0 }] }] }]);
        let hires = json!({
            "size": { "resize": { "width": 256, "height": 128 } }, "steps": 7, "upscaler": "Latent", "denoising_strength": 0.4,
            "sampler": "Heun", "schedule_type": null,
        });
        let old = json!({
            "format": 1, "family": "sdxl", "prompt": "a", "negative_prompt": "", "positive": part, "negative": [], "loras": [],
            "settings": { "steps": 20, "width": 128, "height": 128, "unipc": { "order": 2 }, "hires": hires },
            "hires": { "prompt": "b", "positive": part, "negative": [], "loras": [] },
        });
        let plan: Plan = serde_json::from_value(old.clone()).unwrap();
        let [second] = plan.later.as_slice() else { panic!("{plan:?}") };
        assert_eq!((plan.first.settings.unipc_order, second.settings.steps), (2, 7));
        assert_eq!(
            (second.settings.sampler, second.prompt.as_str(), second.negative_prompt.as_str()),
            (Sampler::Heun, "b", "")
        );
        let Start::Previous { cut, denoising_strength, .. } = &second.start else { panic!("{:?}", second.start) };
        assert_eq!(
            (second.settings.width, second.settings.height, *cut, *denoising_strength),
            (256, 256, [0, 16], 0.4)
        );
        assert_eq!((plan.size(), second.size()), ((256, 128), (256, 128)));

        let new = serde_json::to_value(&plan).unwrap();
        assert_eq!(new["format"], json!(FORMAT));
        assert_eq!(serde_json::from_value::<Plan>(new).unwrap(), plan);
        for wrong in
            [json!({ "format": 3 }), json!({ "format": 2, "family": "sdxl", "passes": [] }), json!(5), json!({})]
        {
            assert!(serde_json::from_value::<Plan>(wrong).is_err());
        }
        let later = json!({ "format": 3, "family": "sdxl", "passes": [{ "what": "else" }] });
        assert!(serde_json::from_value::<Plan>(later).unwrap_err().to_string().contains("format 3"));
        for (key, value) in
            [("format", json!(null)), ("format", json!(-1)), ("format", json!("2")), ("passes", json!({}))]
        {
            let mut wrong = serde_json::to_value(&plan).unwrap();
            wrong[key] = value;
            assert!(serde_json::from_value::<Plan>(wrong.clone()).is_err(), "{wrong}");
        }
        for settings in [json!([]), json!({}), json!(null)] {
            let mut wrong = serde_json::to_value(&plan).unwrap();
            wrong["passes"][0]["settings"] = settings;
            assert!(serde_json::from_value::<Plan>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
