//! The fields of webui's requests: their names, types and defaults, and how leniently values are read.

use serde_json::{Map, Number, Value};

/// Which request has a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// From noise.
    Txt2img,
    /// Over a picture.
    Img2img,
}

/// What values a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Any text.
    Text,
    /// A whole number, of any sign.
    Whole,
    /// A finite number.
    Number,
    /// On or off.
    Switch,
    /// Texts; what is null among them is left out.
    Texts,
    /// Anything, in a list.
    List,
    /// Anything by name.
    Object,
}

/// A default, as far as it can be written in a table.
#[derive(Debug, Clone, Copy)]
enum Default {
    Null,
    Whole(i64),
    Number(f64),
    Text(&'static str),
    Switch(bool),
    List,
    Object,
}

/// A field of a request.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What values it has.
    pub kind: Type,
    default: Default,
    /// Where it is; `None` is both.
    only: Option<Route>,
}

impl Field {
    /// Whether a request of this route has it.
    pub fn is_of(&self, route: Route) -> bool {
        self.only.is_none_or(|only| only == route)
    }

    /// Its default, where it has one.
    pub fn default_value(&self) -> Option<Value> {
        Some(self.default.value()).filter(|value| !value.is_null())
    }
}

const fn both(name: &'static str, kind: Type, default: Default) -> Field {
    Field { name, kind, default, only: None }
}

const fn noise(name: &'static str, kind: Type, default: Default) -> Field {
    Field { name, kind, default, only: Some(Route::Txt2img) }
}

const fn over(name: &'static str, kind: Type, default: Default) -> Field {
    Field { name, kind, default, only: Some(Route::Img2img) }
}

/// All that webui 1.10 has, in its order.
#[rustfmt::skip]
pub const FIELDS: [Field; 70] = [
    both("prompt", Type::Text, Default::Text("")),
    both("negative_prompt", Type::Text, Default::Text("")),
    both("styles", Type::Texts, Default::Null),
    both("seed", Type::Whole, Default::Whole(-1)),
    both("subseed", Type::Whole, Default::Whole(-1)),
    both("subseed_strength", Type::Number, Default::Whole(0)),
    both("seed_resize_from_h", Type::Whole, Default::Whole(-1)),
    both("seed_resize_from_w", Type::Whole, Default::Whole(-1)),
    both("sampler_name", Type::Text, Default::Null),
    both("scheduler", Type::Text, Default::Null),
    both("batch_size", Type::Whole, Default::Whole(1)),
    both("n_iter", Type::Whole, Default::Whole(1)),
    both("steps", Type::Whole, Default::Whole(50)),
    both("cfg_scale", Type::Number, Default::Whole(7)),
    both("width", Type::Whole, Default::Whole(512)),
    both("height", Type::Whole, Default::Whole(512)),
    both("restore_faces", Type::Switch, Default::Null),
    both("tiling", Type::Switch, Default::Null),
    both("do_not_save_samples", Type::Switch, Default::Switch(false)),
    both("do_not_save_grid", Type::Switch, Default::Switch(false)),
    both("eta", Type::Number, Default::Null),
    both("s_min_uncond", Type::Number, Default::Null),
    both("s_churn", Type::Number, Default::Null),
    both("s_tmax", Type::Number, Default::Null),
    both("s_tmin", Type::Number, Default::Null),
    both("s_noise", Type::Number, Default::Null),
    both("override_settings", Type::Object, Default::Null),
    both("override_settings_restore_afterwards", Type::Switch, Default::Switch(true)),
    both("refiner_checkpoint", Type::Text, Default::Null),
    both("refiner_switch_at", Type::Number, Default::Null),
    both("disable_extra_networks", Type::Switch, Default::Switch(false)),
    both("firstpass_image", Type::Text, Default::Null),
    both("comments", Type::Object, Default::Null),
    noise("enable_hr", Type::Switch, Default::Switch(false)),
    both("denoising_strength", Type::Number, Default::Number(0.75)),
    noise("firstphase_width", Type::Whole, Default::Whole(0)),
    noise("firstphase_height", Type::Whole, Default::Whole(0)),
    noise("hr_scale", Type::Number, Default::Whole(2)),
    noise("hr_upscaler", Type::Text, Default::Null),
    noise("hr_second_pass_steps", Type::Whole, Default::Whole(0)),
    noise("hr_resize_x", Type::Whole, Default::Whole(0)),
    noise("hr_resize_y", Type::Whole, Default::Whole(0)),
    noise("hr_checkpoint_name", Type::Text, Default::Null),
    noise("hr_sampler_name", Type::Text, Default::Null),
    noise("hr_scheduler", Type::Text, Default::Null),
    noise("hr_prompt", Type::Text, Default::Text("")),
    noise("hr_negative_prompt", Type::Text, Default::Text("")),
    over("init_images", Type::List, Default::Null),
    over("resize_mode", Type::Whole, Default::Whole(0)),
    over("image_cfg_scale", Type::Number, Default::Null),
    over("mask", Type::Text, Default::Null),
    over("mask_blur_x", Type::Whole, Default::Whole(4)),
    over("mask_blur_y", Type::Whole, Default::Whole(4)),
    over("mask_blur", Type::Whole, Default::Null),
    over("mask_round", Type::Switch, Default::Switch(true)),
    over("inpainting_fill", Type::Whole, Default::Whole(0)),
    over("inpaint_full_res", Type::Switch, Default::Switch(true)),
    over("inpaint_full_res_padding", Type::Whole, Default::Whole(0)),
    over("inpainting_mask_invert", Type::Whole, Default::Whole(0)),
    over("initial_noise_multiplier", Type::Number, Default::Null),
    over("latent_mask", Type::Text, Default::Null),
    over("include_init_images", Type::Switch, Default::Switch(false)),
    both("force_task_id", Type::Text, Default::Null),
    both("sampler_index", Type::Text, Default::Text("Euler")),
    both("script_name", Type::Text, Default::Null),
    both("script_args", Type::List, Default::List),
    both("send_images", Type::Switch, Default::Switch(true)),
    both("save_images", Type::Switch, Default::Switch(false)),
    both("alwayson_scripts", Type::Object, Default::Object),
    both("infotext", Type::Text, Default::Null),
];

/// What is wrong with a request, as pydantic tells it to webui's clients.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldError {
    /// The field; none where the whole body is wrong.
    pub field: Option<String>,
    /// What it should be.
    pub message: String,
    /// pydantic's name for that.
    pub kind: &'static str,
}

/// The fields of a request with all defaults.
#[derive(Debug, Clone)]
pub struct Fields {
    /// Which request it is.
    pub route: Route,
    /// webui's fields of this route, all of them, in its order.
    pub values: Map<String, Value>,
    /// What was sent and is not null: webui's fields as they were read, others as they are.
    pub given: Map<String, Value>,
}

impl Fields {
    /// Reads a body. `side` is the width and height of a picture where none is said.
    pub fn read(route: Route, body: &Value, side: u32) -> Result<Self, Vec<FieldError>> {
        let Value::Object(body) = body else {
            let message = "value is not a valid dict".to_owned();
            return Err(vec![FieldError { field: None, message, kind: "type_error.dict" }]);
        };
        let (mut values, mut given, mut wrong) = (Map::new(), Map::new(), Vec::new());
        for field in FIELDS.iter().filter(|field| field.is_of(route)) {
            let default = match field.name {
                "width" | "height" => side.into(),
                _ => field.default.value(),
            };
            let value = match body.get(field.name).filter(|value| !value.is_null()) {
                None => default,
                Some(value) => match field.kind.read(value) {
                    Some(value) => {
                        given.insert(field.name.to_owned(), value.clone());
                        value
                    }
                    None => {
                        wrong.push(field.kind.error(field.name));
                        default
                    }
                },
            };
            values.insert(field.name.to_owned(), value);
        }
        let is_other = |name: &str| FIELDS.iter().all(|field| field.name != name);
        let others = body.iter().filter(|(name, value)| is_other(name) && !value.is_null());
        given.extend(others.map(|(name, value)| (name.clone(), value.clone())));
        if wrong.is_empty() { Ok(Fields { route, values, given }) } else { Err(wrong) }
    }

    /// A field's text; nothing where it is null or empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Whether a switch is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.values.get(name).and_then(Value::as_bool) == Some(true)
    }

    /// A number.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.values.get(name).and_then(Value::as_f64)
    }
}

impl Type {
    /// The value in its plain form, where it is of this type or is readily taken for it.
    fn read(self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Type::Text, Value::String(_)) => Some(value.clone()),
            (Type::Text, Value::Number(number)) => Some(number.to_string().into()),
            (Type::Whole, _) => whole(value),
            (Type::Number, Value::Number(number)) => plain_number(number.as_f64()?),
            (Type::Number, Value::String(text)) => plain_number(text.trim().parse().ok()?),
            (Type::Switch, Value::Bool(_)) => Some(value.clone()),
            (Type::Switch, Value::Number(number)) => match number.as_f64()? {
                0.0 => Some(false.into()),
                1.0 => Some(true.into()),
                _ => None,
            },
            (Type::Switch, Value::String(text)) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" | "on" | "yes" | "t" | "y" => Some(true.into()),
                "false" | "0" | "off" | "no" | "f" | "n" => Some(false.into()),
                _ => None,
            },
            (Type::Texts, Value::Array(items)) => {
                let items = items.iter().filter(|item| !item.is_null());
                items.map(|item| Type::Text.read(item)).collect::<Option<Vec<_>>>().map(Value::Array)
            }
            (Type::List, Value::Array(_)) | (Type::Object, Value::Object(_)) => Some(value.clone()),
            _ => None,
        }
    }

    fn error(self, name: &str) -> FieldError {
        let (message, kind) = match self {
            Type::Text => ("str type expected", "type_error.str"),
            Type::Whole => ("value is not a valid integer", "type_error.integer"),
            Type::Number => ("value is not a valid float", "type_error.float"),
            Type::Switch => ("value could not be parsed to a boolean", "type_error.bool"),
            Type::Texts | Type::List => ("value is not a valid list", "type_error.list"),
            Type::Object => ("value is not a valid dict", "type_error.dict"),
        };
        FieldError { field: Some(name.to_owned()), message: message.to_owned(), kind }
    }
}

fn whole(value: &Value) -> Option<Value> {
    match value {
        Value::Number(number) if number.is_u64() || number.is_i64() => Some(value.clone()),
        Value::Number(number) => whole_of(number.as_f64()?),
        Value::String(text) => {
            let text = text.trim();
            let exact = text.parse::<u64>().map(Value::from).or_else(|_| text.parse::<i64>().map(Value::from));
            exact.ok().or_else(|| whole_of(text.parse().ok()?))
        }
        _ => None,
    }
}

/// Whole numbers of a float are exact as far as this.
fn whole_of(number: f64) -> Option<Value> {
    (number.fract() == 0.0 && number.abs() < 9e15).then(|| (number as i64).into())
}

/// A finite number; without a fraction it is written without one, for clients whose fields are whole numbers.
pub fn plain_number(number: f64) -> Option<Value> {
    whole_of(number).or_else(|| Number::from_f64(number).map(Value::Number))
}

impl Default {
    fn value(self) -> Value {
        match self {
            Default::Null => Value::Null,
            Default::Whole(number) => number.into(),
            Default::Number(number) => number.into(),
            Default::Text(text) => text.into(),
            Default::Switch(on) => on.into(),
            Default::List => Value::Array(Vec::new()),
            Default::Object => Value::Object(Map::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: Value) -> Result<Fields, Vec<FieldError>> {
        Fields::read(Route::Txt2img, &body, 128)
    }

    #[test]
    fn values_are_read_leniently() {
        let fields = read(json!({
            "steps": "7", "hr_second_pass_steps": 10.0, "hr_scale": "1.0", "cfg_scale": "7.5", "enable_hr": 1, "tiling": "false",
            "styles": ["a", null, 3], "seed": "18446744073709551615", "prompt": 5, "width": null, "url": "http://x", "subseed_strength": 0.0,
        }))
        .unwrap();
        let is = |name: &str, value: Value| assert_eq!(fields.values[name], value, "{name}");
        is("steps", json!(7));
        is("hr_second_pass_steps", json!(10));
        is("hr_scale", json!(1));
        is("cfg_scale", json!(7.5));
        is("enable_hr", json!(true));
        is("tiling", json!(false));
        is("styles", json!(["a", "3"]));
        is("seed", json!(u64::MAX));
        is("prompt", json!("5"));
        is("width", json!(128));
        assert_eq!(serde_json::to_string(&fields.values["subseed_strength"]).unwrap(), "0");
        assert_eq!(fields.given.get("url"), Some(&json!("http://x")));
        assert!(!fields.given.contains_key("width") && !fields.values.contains_key("mask"));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let wrong = read(json!({
            "steps": 10.5, "cfg_scale": "NaN", "enable_hr": "maybe", "styles": "a", "override_settings": [], "prompt": {}, "seed": [],
        }))
        .unwrap_err();
        let names: Vec<_> = wrong.iter().filter_map(|e| e.field.as_deref()).collect();
        assert_eq!(names, ["prompt", "styles", "seed", "steps", "cfg_scale", "override_settings", "enable_hr"]);
        assert_eq!(wrong[3].kind, "type_error.integer");
        assert_eq!(read(json!(["x"])).unwrap_err()[0].field, None);
    }

    #[test]
    fn every_field_stands_once() {
        let mut names: Vec<_> = FIELDS.iter().map(|field| field.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FIELDS.len());
    }
}
