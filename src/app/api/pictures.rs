//! Pictures that clients send, and what is done with them besides drawing over them.

use std::sync::Arc;

use image::RgbImage;
use serde_json::{Map, Value, json};

use super::options::Options;
use super::refusal::Refusal;
use super::request::no_field;
use crate::app::error::{Error, Result};
use crate::app::studio::Picture;
use crate::app::webui::WebuiConfig;
use crate::diagnostic::{Diagnostic, FINDINGS_LIMIT, Text, at_most, code};
use crate::engine::InitImage;
use crate::image_io::{self, Format, Rgb};
use crate::infotext::Infotext;
use crate::picture::mask_from;
use crate::say;

/// The upscalers that enlarge pixels without a model, as webui names them.
pub const UPSCALERS: [&str; 3] = ["None", "Lanczos", "Nearest"];

/// A picture to draw over, from the bytes of its file.
pub fn picture_of_bytes(name: &str, bytes: &[u8]) -> Result<Arc<InitImage>> {
    Ok(Arc::new(InitImage::new(image_io::picture_of_bytes(name, bytes)?)))
}

/// A mask, from the bytes of its file, as webui reads it.
pub fn mask_of_bytes(name: &str, bytes: &[u8]) -> Result<Arc<InitImage>> {
    Ok(Arc::new(InitImage::of_mask(&mask_from(&image_io::picture_of_bytes_with_alpha(name, bytes)?))))
}

/// The format in which pictures are sent with these options.
pub fn sent_as(options: &Options, config: &WebuiConfig) -> Format {
    let quality = options.value(config, "jpeg_quality").as_f64().unwrap_or(80.0).clamp(1.0, 100.0) as u8;
    match options.value(config, "samples_format").as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("jpg" | "jpeg") => Format::Jpeg { quality },
        Some("webp") => Format::Webp,
        _ => Format::Png,
    }
}

/// A picture that has been drawn, in this format.
pub fn encoded(picture: &Picture, format: Format) -> Result<Vec<u8>> {
    Ok(image_io::encode(&picture.image, &picture.parameters, Some(&picture.plan), format)?)
}

/// A PNG without any text.
pub fn encode_picture(image: &RgbImage) -> Result<Vec<u8>> {
    Ok(image_io::encode_png(image, "", None)?)
}

/// webui's `png-info`: the infotext of a picture, its other texts, and the fields of the infotext.
pub fn png_info(bytes: &[u8]) -> Result<Value> {
    let text = image_io::text_of_bytes("image", bytes)?;
    let info = text.parameters.unwrap_or_default();
    let fields = if info.is_empty() { Map::new() } else { fields(&info) };
    let plan = text.plan.map(|plan| ("lbw".to_owned(), Value::from(plan)));
    let told = ["parameters", "lbw", "UserComment"];
    let others = text.texts.into_iter().filter(|(name, _)| !told.contains(&name.as_str()));
    let items: Map<String, Value> = others.map(|(name, text)| (name, text.into())).chain(plan).collect();
    Ok(json!({ "info": info, "items": items, "parameters": fields }))
}

/// The fields of an infotext under webui's names.
fn fields(info: &str) -> Map<String, Value> {
    Infotext::parse(info).with_defaults().unwrap_or_default()
}

/// How a picture is enlarged.
#[derive(Debug, Clone)]
pub struct Enlarging {
    upscaler: &'static str,
    size: Size,
    /// What was asked for without effect.
    pub found: Vec<Diagnostic>,
}

/// What webui's requests to enlarge may have.
const FIELDS: [&str; 15] = [
    "image",
    "imageList",
    "resize_mode",
    "show_extras_results",
    "gfpgan_visibility",
    "codeformer_visibility",
    "codeformer_weight",
    "upscaling_resize",
    "upscaling_resize_w",
    "upscaling_resize_h",
    "upscaling_crop",
    "upscaler_1",
    "upscaler_2",
    "extras_upscaler_2_visibility",
    "upscale_first",
];

#[derive(Debug, Clone, Copy)]
enum Size {
    By(f64),
    To { width: u32, height: u32, crop: bool },
}

impl Enlarging {
    /// What the fields of `extra-single-image` ask for.
    pub fn of(fields: &Map<String, Value>) -> std::result::Result<Self, Refusal> {
        let number = |name: &str, default: f64| match fields.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => {
                let read = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
                read.filter(|number| number.is_finite())
                    .ok_or_else(|| bad_value(name, value, &say!("a number", "数値")))
            }
        };
        for name in ["gfpgan_visibility", "codeformer_visibility", "extras_upscaler_2_visibility"] {
            if number(name, 0.0)? > 0.0 {
                let message = say!("`{name}` is something lbw does not do", "`{name}` は lbw にない機能です");
                return Err(Diagnostic::new(code::OPTION_NOT_DONE, message).into());
            }
        }
        let name = match fields.get("upscaler_1") {
            None | Some(Value::Null) => "None",
            Some(Value::String(name)) => name.as_str(),
            Some(value) => return Err(bad_value("upscaler_1", value, &say!("a name", "名前"))),
        };
        let Some(upscaler) = UPSCALERS.into_iter().find(|known| known.eq_ignore_ascii_case(name)) else {
            let known = UPSCALERS.join(", ");
            let message = say!("there is no upscaler `{name}`", "アップスケーラー `{name}` はありません");
            let found = Diagnostic::new(code::NO_UPSCALER, message);
            return Err(found.help(say!("there are: {known}", "選べるもの: {known}")).into());
        };
        let crop = match fields.get("upscaling_crop") {
            None | Some(Value::Null) => true,
            Some(Value::Bool(crop)) => *crop,
            Some(value) => return Err(bad_value("upscaling_crop", value, &say!("true or false", "true か false"))),
        };
        let side = |name: &str| match number(name, 512.0)? {
            side if side >= 1.0 && side <= f64::from(u32::MAX) => Ok(side as u32),
            _ => Err(bad_value(name, &fields[name], &say!("a side in pixels", "画素数"))),
        };
        let size = match number("resize_mode", 0.0)? {
            0.0 => match number("upscaling_resize", 2.0)? {
                scale if scale > 0.0 => Size::By(scale),
                _ => {
                    let wanted = say!("a number above 0", "0 より大きい数値");
                    return Err(bad_value("upscaling_resize", &fields["upscaling_resize"], &wanted));
                }
            },
            1.0 => Size::To { width: side("upscaling_resize_w")?, height: side("upscaling_resize_h")?, crop },
            _ => return Err(bad_value("resize_mode", &fields["resize_mode"], &say!("0 or 1", "0 か 1"))),
        };
        let others = fields.keys().filter(|name| !FIELDS.contains(&name.as_str()));
        let found = at_most(others.map(|name| no_field(name, FIELDS.into_iter())).collect(), FINDINGS_LIMIT);
        Ok(Enlarging { upscaler, size, found })
    }

    /// The enlarged picture, of at most `most` pixels.
    pub fn enlarge(&self, bytes: &[u8], most: u64) -> std::result::Result<RgbImage, Refusal> {
        let picture = image_io::picture_of_bytes("image", bytes).map_err(Error::from)?;
        let (w, h) = (picture.width as f64, picture.height as f64);
        let scale = match self.size {
            Size::By(scale) => scale,
            Size::To { width, height, crop: true } => (f64::from(width) / w).max(f64::from(height) / h),
            Size::To { width, height, crop: false } => (f64::from(width) / w).min(f64::from(height) / h),
        };
        let (width, height) = (w * scale, h * scale);
        if self.upscaler == "None" {
            return Ok(rgb(picture)?);
        }
        if !(1.0..).contains(&width) || !(1.0..).contains(&height) || width * height > most as f64 {
            let message = say!(
                "the enlarged picture would have {width}x{height} pixels; at most {most} are drawn",
                "拡大すると {width}x{height} 画素になります。{most} 画素までです"
            );
            return Err(Diagnostic::new(code::OUT_OF_LIMITS, message).into());
        }
        let (width, height) = (width as usize, height as usize);
        let enlarged = match self.upscaler {
            "Lanczos" => picture.resize(width, height),
            _ => nearest(&picture, width, height),
        };
        let enlarged = rgb(enlarged)?;
        Ok(match self.size {
            Size::To { width, height, crop: true } => cut(&enlarged, width, height),
            _ => enlarged,
        })
    }
}

fn bad_value(name: &str, value: &Value, wanted: &Text) -> Refusal {
    let value: String = value.to_string().chars().take(80).collect();
    let message = say!("`{name}: {value}` is not {wanted}", "`{name}: {value}` は{wanted}ではありません", with wanted);
    Diagnostic::new(code::BAD_VALUE, message).into()
}

fn rgb(picture: Rgb) -> Result<RgbImage> {
    let (width, height) = (picture.width as u32, picture.height as u32);
    RgbImage::from_raw(width, height, picture.bytes).ok_or_else(|| {
        Error::file(code::PICTURE_FAILED, say!("the picture has the wrong size", "画像の大きさが合いません"))
    })
}

/// As Pillow's NEAREST: the pixel in whose middle a target pixel's middle lies.
fn nearest(picture: &Rgb, width: usize, height: usize) -> Rgb {
    let from = |at: usize, of: usize, all: usize| ((2 * at + 1) * all / (2 * of)).min(all - 1);
    let mut bytes = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        for x in 0..width {
            bytes.extend_from_slice(picture.pixel(from(x, width, picture.width), from(y, height, picture.height)));
        }
    }
    Rgb { width, height, bytes }
}

/// The middle of a picture; what it lacks is black, as in webui.
fn cut(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
    let mut cut = RgbImage::new(width, height);
    let at = |target: u32, all: u32| i64::from(target) / 2 - i64::from(all) / 2;
    image::imageops::replace(&mut cut, picture, at(width, picture.width()), at(height, picture.height()));
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let image = RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8 * 40, y as u8 * 40, 9]));
        image_io::encode_png(&image, "", None).unwrap()
    }

    fn enlarge(fields: Value) -> std::result::Result<RgbImage, Refusal> {
        Enlarging::of(fields.as_object().unwrap())?.enlarge(&png(4, 2), 10_000)
    }

    #[test]
    fn sizes_are_those_asked_for() {
        for (fields, size) in [
            (json!({ "upscaler_1": "Lanczos" }), (8, 4)),
            (json!({ "upscaler_1": "nearest", "upscaling_resize": "1.5" }), (6, 3)),
            (
                json!({ "upscaler_1": "Lanczos", "resize_mode": 1, "upscaling_resize_w": 10, "upscaling_resize_h": 10 }),
                (10, 10),
            ),
            (
                json!({ "upscaler_1": "Nearest", "resize_mode": 1, "upscaling_resize_w": 10, "upscaling_resize_h": 10, "upscaling_crop": false }),
                (10, 5),
            ),
            (json!({}), (4, 2)),
        ] {
            assert_eq!(enlarge(fields.clone()).unwrap().dimensions(), size, "{fields}");
        }
    }

    #[test]
    fn what_is_not_there_or_too_large_is_refused() {
        for fields in [
            json!({ "upscaler_1": "ESRGAN_4x" }),
            json!({ "upscaler_1": "Lanczos", "upscaling_resize": 1e9 }),
            json!({ "upscaler_1": "Lanczos", "upscaling_resize": -1 }),
            json!({ "upscaler_1": "Lanczos", "upscaling_resize": "big" }),
            json!({ "upscaler_1": "Lanczos", "resize_mode": 1, "upscaling_resize_w": 100_000, "upscaling_resize_h": 100_000 }),
            json!({ "upscaler_1": "Lanczos", "resize_mode": 1, "upscaling_resize_w": 0 }),
            json!({ "codeformer_visibility": 0.5 }),
            json!({ "upscaler_1": 4 }),
            json!({ "resize_mode": 2 }),
            json!({ "resize_mode": {} }),
            json!({ "upscaling_crop": "no" }),
        ] {
            assert!(enlarge(fields.clone()).is_err(), "{fields}");
        }
        let misspelled = json!({ "image": "", "upscaler_1": "None", "upscaling_resise": 4 });
        let found = Enlarging::of(misspelled.as_object().unwrap()).unwrap().found;
        assert!(found.len() == 1 && found[0].help[0].contains("upscaling_resize"), "{found:?}");
    }
}
