//! The picture parts of img2img and inpainting, each from golden inputs.

use std::collections::HashMap;

use candle_core::Tensor;
use lbw::picture::{
    ColourCorrection, Fit, Gray, Picture, Region, Rgb, Rgba, blur_mask, doubled, fill_masked, finish, fit, lanczos,
    latent_mask, mask_from, overlay,
};
use serde_json::Value;

use crate::common::{Tally, case_file};
use crate::numeric::{load_tensors, same_bytes, values};

/// The picture in a tensor (height, width) or (height, width, channels).
pub fn picture<const C: usize>(tensor: &Tensor) -> Picture<C> {
    let (height, width) = (tensor.dims()[0], tensor.dims()[1]);
    assert_eq!(tensor.elem_count(), height * width * C, "{:?}", tensor.dims());
    Picture { width, height, bytes: tensor.flatten_all().unwrap().to_vec1().unwrap() }
}

/// What a tensor shows, whatever its channels.
pub fn any_picture(tensor: &Tensor) -> Rgba {
    match tensor.dims().get(2) {
        None => picture::<1>(tensor).map(|[v]| [v, v, v, 255]),
        Some(3) => picture::<3>(tensor).with_alpha(),
        Some(_) => picture::<4>(tensor),
    }
}

fn exact<const C: usize>(what: &str, got: &Picture<C>, expected: &Picture<C>) -> Result<(), String> {
    if (got.width, got.height) != (expected.width, expected.height) {
        return Err(format!("{what}: {}×{}, expected {}×{}", got.width, got.height, expected.width, expected.height));
    }
    same_bytes(&got.bytes, &expected.bytes, 0, 0.0).map_err(|e| format!("{what}: {e}"))
}

struct Case<'a> {
    json: &'a Value,
    tensors: &'a HashMap<String, Tensor>,
    number: usize,
}

/// What the mask of a case comes to.
struct Masked {
    /// At the size of the picture that is drawn.
    drawn: Gray,
    overlay: Gray,
    region: Option<Region>,
}

impl Case<'_> {
    fn tensor(&self, key: &str) -> Option<&Tensor> {
        self.tensors.get(&format!("{}.{key}", self.number))
    }

    fn number(&self, key: &str) -> usize {
        self.json[key].as_u64().unwrap() as usize
    }

    fn option(&self, key: &str) -> bool {
        self.json["options"][key].as_bool().unwrap_or(key == "overlay_inpaint")
    }

    fn size(&self) -> (usize, usize) {
        (self.number("width"), self.number("height"))
    }

    /// `None` for latent upscale.
    fn mode(&self) -> Option<Fit> {
        [Some(Fit::Stretch), Some(Fit::Crop), Some(Fit::Fill), None][self.number("resize_mode")]
    }

    fn masked(&self, init: &Rgb) -> Option<Masked> {
        let (width, height) = self.size();
        let mut mask = mask_from(&any_picture(self.tensor("mask_image")?));
        if self.number("inpainting_mask_invert") == 1 {
            mask = mask.inverted();
        }
        let blur = |key: &str| self.json[key].as_f64().unwrap();
        let mask = blur_mask(&mask, blur("mask_blur_x"), blur("mask_blur_y"));
        if self.json["inpaint_full_res"] == true {
            let region = Region::masked(&mask, self.number("inpaint_full_res_padding"))?;
            let region = region.expanded((width, height), (init.width, init.height));
            let drawn = lanczos(&region.of(&mask), Fit::Fill, width, height);
            return Some(Masked { drawn, overlay: mask, region: Some(region) });
        }
        let drawn = lanczos(&mask, self.mode()?, width, height);
        Some(Masked { overlay: doubled(&drawn), drawn, region: None })
    }

    fn check(&self) -> Result<(), String> {
        let (width, height) = self.size();
        let init = any_picture(self.tensor("init_image").unwrap()).flattened([255; 3]);
        let masked = self.masked(&init);
        let mut input = init;
        if masked.as_ref().is_none_or(|m| m.region.is_none())
            && let Some(mode) = self.mode()
        {
            input = lanczos(&input, mode, width, height);
        }
        let over = masked.as_ref().map(|m| overlay(&input, &m.overlay));
        if let Some(masked) = &masked {
            input = self.check_mask(masked, &input, over.as_ref())?;
        }
        exact("encoder input", &input, &picture(self.tensor("encoder_input_u8").unwrap()))?;
        self.check_result(&input, masked.and_then(|m| m.region), over)
    }

    /// Checks the masks and gives the encoder's input.
    fn check_mask(&self, masked: &Masked, init: &Rgb, over: Option<&Rgba>) -> Result<Rgb, String> {
        exact("mask for overlay", &masked.overlay, &picture(self.tensor("mask_for_overlay").unwrap()))?;
        if let Some(over) = over {
            exact("overlay", over, &picture(self.tensor("overlay_rgba").unwrap()))?;
        }
        let place = masked.region.map(|r| vec![r.x, r.y, r.width, r.height]);
        let expected: Option<Vec<usize>> = serde_json::from_value(self.json["paste_to"].clone()).unwrap();
        if place != expected {
            return Err(format!("region {place:?}, expected {expected:?}"));
        }
        let expected = values(self.tensor("latent_nmask").unwrap());
        let (width, height) = self.size();
        let got = latent_mask(&masked.drawn, width / 8, height / 8);
        if got.len() != expected.len() || got.iter().zip(&expected).any(|(g, e)| f64::from(*g) != *e) {
            return Err(format!("latent mask {got:?}, expected {expected:?}"));
        }
        let mut input = init.clone();
        if let Some(region) = masked.region {
            input = lanczos(&region.of(&input), Fit::Fill, width, height);
        }
        let original = self.number("inpainting_fill") == 1;
        Ok(if original { input } else { fill_masked(&input, &masked.drawn) })
    }

    /// From what the decoder gave to the picture.
    fn check_result(&self, input: &Rgb, region: Option<Region>, over: Option<Rgba>) -> Result<(), String> {
        let mut result: Rgb = picture(self.tensor("decoded_u8").unwrap());
        let corrects = self.option("img2img_color_correction");
        if corrects {
            result = ColourCorrection::to(input).apply(&result);
        }
        if let Some(over) = over.filter(|_| self.option("overlay_inpaint")) {
            let resize = |picture: &Rgb, width, height| Ok::<_, String>(picture.resize(width, height));
            result = finish(&result, &over, region, resize)?;
        }
        let expected: Rgb = picture(self.tensor("image").unwrap());
        // The picture comes from golden bytes: without colour correction nothing may differ.
        let (most, share) = if corrects { (2, 0.02) } else { (0, 0.0) };
        same_bytes(&result.bytes, &expected.bytes, most, share).map_err(|e| format!("image: {e}"))
    }
}

#[test]
fn picture_parts_of_img2img() {
    let Some(file) = case_file("img2img/img2img") else { return };
    let tensors = load_tensors("img2img/img2img");
    let mut tally = Tally::new("img2img pictures");
    for (number, json) in file["cases"].as_array().unwrap().iter().enumerate() {
        let case = Case { json, tensors: &tensors, number };
        tally.check(format!("{number} {}", json["label"]), case.check());
    }
    tally.finish();
}

/// The sizes that are asked of the upscaler do not depend on what it does.
#[test]
fn a_resize_that_fails_is_the_callers() {
    let failing = |_: &Rgb, width: usize, height: usize| Err::<Rgb, _>((width, height));
    assert_eq!(fit(&Rgb::filled(40, 60, [0; 3]), Fit::Fill, 96, 64, failing), Err((42, 64)));
    assert_eq!(fit(&Rgb::filled(40, 60, [0; 3]), Fit::Crop, 96, 64, failing), Err((96, 144)));
}
