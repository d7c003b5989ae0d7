//! Upscalers, resize modes and Extras against webui's, with its tiles and seams.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use candle_core::Tensor;
use lbw::model::esrgan::Network;
use lbw::model::ops::{Cpu, Operators};
use lbw::picture::{Fit, Rgb};
use lbw::upscale::{Extras, Progress, Size, Tiling, Upscaler, name_of};
use serde_json::Value;

use crate::common::{Tally, case_file, number, vectors};
use crate::numeric::{load_tensors, rel_to_max, same_bytes, within};
use crate::picture::picture;

struct Vectors {
    tensors: HashMap<String, Tensor>,
    networks: BTreeMap<String, Arc<Network>>,
}

/// Unpacks and opens all models, and checks what their files tell.
fn networks(models: &Value) -> BTreeMap<String, Arc<Network>> {
    let dir = tempfile::tempdir().unwrap();
    unpack_all(models, dir.path());
    let operators: Arc<dyn Operators> = Arc::new(Cpu::best());
    let open = |model: &Value| {
        let text = |key: &str| model[key].as_str().unwrap();
        let path = dir.path().join(text("unpacked"));
        let network = Network::open(&path, &operators).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(network.scale() as u64, model["scale"].as_u64().unwrap(), "{}", text("name"));
        assert_eq!(name_of(&path), text("name"));
        (text("name").to_owned(), Arc::new(network))
    };
    models.as_array().unwrap().iter().map(open).collect()
}

/// Puts the files of all models into a folder.
pub fn unpack_all(models: &Value, dir: &Path) {
    for model in models.as_array().unwrap() {
        let text = |key: &str| model[key].as_str().unwrap();
        unpack(&vectors().join("num/upscale").join(text("file")), &dir.join(text("unpacked")));
    }
}

fn unpack(from: &Path, to: &Path) {
    let mut packed = std::io::BufReader::new(std::fs::File::open(from).unwrap());
    lzma_rs::xz_decompress(&mut packed, &mut std::fs::File::create(to).unwrap()).unwrap();
}

impl Vectors {
    fn upscaler(&self, name: Option<&str>, case: &Value) -> Upscaler {
        let size = |key: &str| case[key].as_u64().unwrap() as usize;
        self.tiled(name, || Tiling { tile: size("tile"), overlap: size("overlap") })
    }

    fn tiled(&self, name: Option<&str>, tiling: impl FnOnce() -> Tiling) -> Upscaler {
        match name {
            None | Some("None") => Upscaler::None,
            Some("Lanczos") => Upscaler::Lanczos,
            Some("Nearest") => Upscaler::Nearest,
            Some(name) => Upscaler::Network { network: self.networks[name].clone(), tiling: tiling() },
        }
    }

    /// From the first pass's picture of a hires fix to the one that is encoded.
    fn check_hires(&self, tensors: &HashMap<String, Tensor>, number: usize, case: &Value) -> Result<(), String> {
        let Some(first) = tensors.get(&format!("{number}.first_image")) else { return Ok(()) };
        let (first, expected): (Rgb, Rgb) = (picture(first), picture(&tensors[&format!("{number}.upscaled_image")]));
        let option = |key: &str, default: usize| case["options"][key].as_u64().map_or(default, |n| n as usize);
        let Tiling { tile, overlap } = Tiling::default();
        let tiling = Tiling { tile: option("ESRGAN_tile", tile), overlap: option("ESRGAN_tile_overlap", overlap) };
        let upscaler = self.tiled(case["hr_upscaler"].as_str(), || tiling);
        let watch = &mut |_| ControlFlow::Continue(());
        let got = upscaler.resize(&first, Fit::Stretch, expected.width, expected.height, watch);
        let (most, share) = if matches!(upscaler, Upscaler::Network { .. }) { (1, 0.005) } else { (0, 0.0) };
        same_bytes(&got.map_err(|e| e.to_string())?.bytes, &expected.bytes, most, share)
    }

    fn check(&self, number: usize, case: &Value) -> Result<(), String> {
        let tensor = |key: &str| &self.tensors[&format!("{number}.{key}")];
        let (input, expected): (Rgb, Rgb) = (picture(tensor("in")), picture(tensor("out")));
        let mut runs = 0;
        let mut watch = |progress: Progress| {
            runs = progress.run + 1;
            ControlFlow::Continue(())
        };
        let got = self.run(case, &input, &mut watch).map_err(|e| e.to_string())?;
        if (got.width, got.height) != (expected.width, expected.height) {
            return Err(format!("{}×{} instead of {}×{}", got.width, got.height, expected.width, expected.height));
        }
        let uses_network = ["upscaler", "upscaler_1_name", "upscaler_2_name"]
            .iter()
            .any(|key| case[*key].as_str().is_some_and(|name| self.networks.contains_key(name)));
        if let Some(expected) = case["model_runs"].as_u64().filter(|n| uses_network && *n != runs as u64) {
            return Err(format!("{runs} runs instead of {expected}"));
        }
        let (most, share) = if uses_network { (1, 0.005) } else { (0, 0.0) };
        same_bytes(&got.bytes, &expected.bytes, most, share)
    }

    fn run(
        &self,
        case: &Value,
        input: &Rgb,
        watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Rgb, lbw::upscale::UpscaleError> {
        let count = |key: &str| case[key].as_u64().unwrap() as usize;
        let upscaler = |key: &str| self.upscaler(case[key].as_str(), case);
        match case["kind"].as_str().unwrap() {
            "upscale" => upscaler("upscaler").upscale(input, number(&case["scale"]), watch),
            "resize_image" => {
                let mode = [Fit::Stretch, Fit::Crop, Fit::Fill][count("resize_mode")];
                upscaler("upscaler").resize(input, mode, count("width"), count("height"), watch)
            }
            "extras" => {
                let size = match count("upscale_mode") {
                    0 => Size::By {
                        scale: number(&case["upscale_by"]),
                        longest: case["max_side_length"].as_u64().map(|n| n as usize),
                    },
                    _ => Size::To {
                        width: count("upscale_to_width"),
                        height: count("upscale_to_height"),
                        crop: case["upscale_crop"].as_bool().unwrap(),
                    },
                };
                assert_eq!(size.is_limited(input), case["info"]["Max side length"].is_string());
                let second = Some(case["upscaler_2_name"].as_str().unwrap()).filter(|name| *name != "None");
                let share = number(&case["upscaler_2_visibility"]) as f32;
                let second = second.map(|name| (self.upscaler(Some(name), case), share));
                Extras { size, first: upscaler("upscaler_1_name"), second }.run(input, watch)
            }
            other => panic!("no test knows {other}"),
        }
    }
}

#[test]
fn upscalers() {
    let Some(file) = case_file("upscale/upscale") else { return };
    let vectors = Vectors { tensors: load_tensors("upscale/upscale"), networks: networks(&file["models"]) };
    let tolerance = number(&file["tolerance"]["net_rel"]);
    let mut tally = Tally::new("upscale");
    for (name, network) in &vectors.networks {
        let tensor = |end: &str| vectors.tensors[&format!("net.{name}.{end}")].permute((0, 2, 3, 1)).unwrap();
        let got = network.forward(&tensor("in").contiguous().unwrap()).unwrap();
        tally.check(format!("network {name}"), within(name, rel_to_max(&got, &tensor("out")), tolerance));
    }
    for (number, case) in file["cases"].as_array().unwrap().iter().enumerate() {
        tally.check(format!("{number} {case}"), vectors.check(number, case));
    }
    if let Some(file) = case_file("hires/hires") {
        let tensors = load_tensors("hires/hires");
        for (number, case) in file["cases"].as_array().unwrap().iter().enumerate() {
            tally.check(format!("hires {}", case["label"]), vectors.check_hires(&tensors, number, case));
        }
    }
    tally.finish();
}
