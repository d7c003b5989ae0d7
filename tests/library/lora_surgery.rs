//! LoRA files apart and together: every kind and naming scheme of the golden files, on the weights of the numeric test model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use lbw::block::{Block, Family, Layout};
use lbw::checkpoint::{Checkpoint, TensorFile, generated};
use lbw::engine::{Engine, EngineOptions};
use lbw::files::Existing;
use lbw::lora::surgery::{
    By, Merge, Merged, Precision, Size, Source, Split, SurgeryError, UNKNOWN, difference, extract, join, merge, resize,
    split,
};
use lbw::lora::{KeyTable, Kind, LoraIndex, ModuleTable, Network, NetworkModule};

use crate::drawing;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/vectors/num")
}

/// The golden LoRA files of all kinds and naming schemes.
fn golden() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(fixtures().join("lora_kinds"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.ends_with(".safetensors") && !name.contains(".expected.") && !name.contains(".reference.")
        })
        .collect();
    files.sort();
    assert_eq!(files.len(), 40);
    files
}

fn named(name: &str) -> PathBuf {
    fixtures().join(format!("lora_kinds/{name}.safetensors"))
}

struct Model {
    checkpoint: Checkpoint,
    table: ModuleTable,
}

impl Model {
    fn new() -> Self {
        let manifest = std::fs::read_to_string(fixtures().join("tinyxl/tinyxl.manifest.json")).unwrap();
        let checkpoint = Checkpoint::from_bytes("tinyxl", generated::from_manifest(&manifest).unwrap()).unwrap();
        let file = checkpoint.file();
        let tensors = file.names().map(|name| (name, file.shape(name).unwrap()));
        let table = ModuleTable::new(Family::Sdxl, tensors);
        Model { checkpoint, table }
    }

    fn open(&self, path: &Path) -> Network {
        Network::open(path, &self.table, KeyTable::Lenient).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Adds every parameter's delta, each module with its strength and ratio.
    fn add(&self, deltas: &mut Deltas, network: &Network, exact: bool, factor: impl Fn(&NetworkModule) -> (f64, f64)) {
        for module in network.modules() {
            let target = module.target();
            let base = target.part_of(&self.checkpoint.file().f32(&target.tensor).unwrap()).unwrap();
            let (strength, ratio) = factor(module);
            let delta = module.delta(&base, strength, ratio, exact).unwrap();
            for (what, tensor) in [("weight", delta.weight), ("bias", delta.bias)] {
                let Some(tensor) = tensor else { continue };
                let values: Vec<f32> = tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap();
                let sum = deltas.entry(format!("{} {what}", module.name())).or_insert_with(|| vec![0.0; values.len()]);
                sum.iter_mut().zip(&values).for_each(|(sum, value)| *sum += f64::from(*value));
            }
        }
    }

    fn deltas(&self, path: &Path, exact: bool, factor: impl Fn(&NetworkModule) -> (f64, f64)) -> Deltas {
        let mut deltas = Deltas::new();
        self.add(&mut deltas, &self.open(path), exact, factor);
        deltas
    }
}

type Deltas = BTreeMap<String, Vec<f64>>;

fn norm<'v>(values: impl IntoIterator<Item = &'v f64>) -> f64 {
    values.into_iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// ‖a − b‖ / ‖b‖ over all parameters, each missing one being 0.
fn distance(a: &Deltas, b: &Deltas) -> f64 {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let mut difference = Vec::new();
    for name in names {
        let len = a.get(name).or(b.get(name)).unwrap().len();
        let zeros = vec![0.0; len];
        let (a, b) = (a.get(name).unwrap_or(&zeros), b.get(name).unwrap_or(&zeros));
        difference.extend(a.iter().zip(b).map(|(a, b)| a - b));
    }
    norm(&difference) / norm(b.values().flatten()).max(f64::MIN_POSITIVE)
}

/// A weight for each block, none like another; 1 outside the blocks.
fn weight(module: &NetworkModule) -> f64 {
    module.block().map_or(1.0, weight_of)
}

fn weight_of(block: Block) -> f64 {
    [0.8, -0.3, 1.25, 0.0, 0.55][block.index() % 5] + block.index() as f64 / 64.0
}

fn part_of(split: &Split, module: &str, part: &str) -> bool {
    !module.is_empty() && split.pieces.iter().any(|piece| piece.part == part)
}

#[test]
fn strengths_of_the_parts_are_block_weights_of_the_whole_in_every_kind() {
    let model = Model::new();
    for file in golden() {
        let folder = tempfile::tempdir().unwrap();
        let split = split(&file, folder.path(), &By::Block, Existing::Keep).unwrap_or_else(|e| panic!("{e}"));
        let whole = model.deltas(&file, true, |module| (1.0, weight(module)));
        let (mut parts, mut sum, mut modules) = (Deltas::new(), Deltas::new(), 0);
        for piece in split.pieces.iter().filter(|piece| piece.part != UNKNOWN) {
            let network = model.open(&piece.path);
            modules += network.modules().len();
            assert_eq!(network.modules().len(), piece.modules, "{}", piece.path.display());
            for module in network.modules() {
                assert_eq!(module.block().map_or("OUTSIDE", |block| block.name()), piece.part);
            }
            // One strength for the file, none for its blocks.
            let strength = weight(&network.modules()[0]);
            model.add(&mut parts, &network, false, |_| (strength, 1.0));
            model.add(&mut sum, &network, false, |_| (1.0, 1.0));
        }
        assert_eq!(modules, model.open(&file).modules().len());
        // Bit for bit: the same numbers are multiplied by the same factors. Only signs of zero may differ.
        parts.retain(|_, values| values.iter().any(|v| *v != 0.0));
        let mut whole = whole;
        whole.retain(|_, values| values.iter().any(|v| *v != 0.0));
        assert_eq!(parts, whole, "{}", file.display());
        let all = model.deltas(&file, false, |_| (1.0, 1.0));
        assert!(distance(&sum, &all) <= 1e-6, "{}", file.display());
        assert!(part_of(&split, "any", &split.pieces[0].part));
    }
}

#[test]
fn parts_draw_what_a_vector_draws_in_every_kind() {
    let (model, folder) = (Model::new(), tempfile::tempdir().unwrap());
    let layout = Layout::Full26;
    let vector: Vec<String> =
        (0..layout.len()).map(|entry| weight_of(layout.block(entry).unwrap()).to_string()).collect();
    let mut prompts = vec!["a cat".to_owned()];
    for file in golden() {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        std::fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
        let tags: String = split(&file, &folder.path().join("parts"), &By::Block, Existing::Keep)
            .unwrap()
            .pieces
            .iter()
            .filter(|piece| piece.part != UNKNOWN)
            .map(|piece| {
                let (name, network) = (piece.path.file_stem().unwrap().to_str().unwrap(), model.open(&piece.path));
                format!("<lora:{name}:{}>", weight(&network.modules()[0]))
            })
            .collect();
        prompts.extend([format!("a cat <lora:{stem}:1:lbw={}>", vector.join(",")), format!("a cat {tags}")]);
    }
    let loras = LoraIndex::scan(&[folder.path().to_owned()]).unwrap();
    let mut engine =
        Engine::new(model.checkpoint, EngineOptions { loras, exact_block_weights: true, ..EngineOptions::default() })
            .unwrap();
    let pictures: Vec<Vec<u8>> =
        prompts.iter().map(|prompt| drawing::draw(&mut engine, &drawing::plan(prompt)).rgb).collect();
    let mut seen = 0;
    for (prompt, pair) in prompts[1..].chunks(2).zip(pictures[1..].chunks(2)) {
        let worst = pair[0].iter().zip(&pair[1]).map(|(whole, parts)| whole.abs_diff(*parts)).max().unwrap();
        assert!(worst <= 1, "{prompt:?} differ by {worst}");
        seen += usize::from(pair[0] != pictures[0]);
    }
    assert!(seen >= 30, "only {seen} of the files change the picture");
}

#[test]
fn parts_hold_every_tensor_once_and_join_into_the_file() {
    for file in golden() {
        for by in ["block", "element", "base,in,mid,out", "IN04-M00"] {
            let folder = tempfile::tempdir().unwrap();
            let split = split(&file, folder.path(), &By::parse(by), Existing::Keep).unwrap();
            let old = TensorFile::open(&file).unwrap();
            let mut seen = BTreeSet::new();
            for piece in &split.pieces {
                let part = TensorFile::open(&piece.path).unwrap();
                for name in part.names() {
                    assert!(seen.insert(name.to_owned()), "{name} is in two parts");
                    assert_eq!(
                        (part.shape(name), part.bytes(name).unwrap()),
                        (old.shape(name), old.bytes(name).unwrap())
                    );
                }
                assert!(part.metadata()["lbw_split"].contains(&format!(r#""part":"{}""#, piece.part)));
                for (key, value) in old.metadata().iter().filter(|(key, _)| key.as_str() != "ss_output_name") {
                    assert_eq!(part.metadata().get(key), Some(value));
                }
            }
            assert!(seen.iter().map(String::as_str).eq(old.names()), "{}", file.display());

            let joined = folder.path().join("joined.safetensors");
            let files: Vec<PathBuf> = split.pieces.iter().map(|piece| piece.path.clone()).collect();
            join(&files, &joined, Existing::Keep).unwrap();
            let new = TensorFile::open(&joined).unwrap();
            assert_eq!(new.metadata(), old.metadata());
            assert!(new.names().eq(old.names()));
            assert!(
                new.names()
                    .all(|name| (new.shape(name), new.bytes(name).unwrap())
                        == (old.shape(name), old.bytes(name).unwrap()))
            );
        }
    }
}

#[test]
fn an_incomplete_or_mixed_set_is_refused_and_nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let first = split(&named("lora_linear"), folder.path(), &By::Block, Existing::Keep).unwrap();
    let files: Vec<PathBuf> = first.pieces.iter().map(|piece| piece.path.clone()).collect();
    let output = path("whole.safetensors");
    let refused = |files: &[PathBuf]| join(files, &output, Existing::Keep).unwrap_err();
    assert!(matches!(refused(&files[1..]), SurgeryError::MissingPart { .. }));
    assert!(matches!(refused(&[files.clone(), vec![files[0].clone()]].concat()), SurgeryError::TwiceThere { .. }));
    assert!(matches!(refused(&[named("locon")]), SurgeryError::NotAPart { .. }));
    let other = split(&named("locon"), folder.path(), &By::Block, Existing::Keep).unwrap();
    let mixed = [files.clone(), vec![other.pieces[0].path.clone()]].concat();
    assert!(matches!(refused(&mixed), SurgeryError::TwoOriginals { .. }));
    assert!(!output.exists());

    // A set that cannot be written whole leaves what is there alone.
    let before = std::fs::read(&files[0]).unwrap();
    std::fs::remove_file(&files[1]).unwrap();
    let again = split(&named("lora_linear"), folder.path(), &By::Block, Existing::Keep);
    assert!(matches!(again, Err(SurgeryError::Exists { .. })));
    assert_eq!(std::fs::read(&files[0]).unwrap(), before);
    assert!(!files[1].exists());
    split(&named("lora_linear"), folder.path(), &By::Block, Existing::Replace).unwrap();
    assert_eq!(std::fs::read(&files[0]).unwrap(), before, "the same parts are the same bytes");
}

/// A safetensors file of tensors full of numbers that follow from their names.
fn write(path: &Path, tensors: &[(&str, &[usize])]) {
    let tensor = |name: &str, shape: &[usize]| {
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..count).map(|i| ((i * 7 + name.len()) % 11) as f32 / 8.0 - 0.5).collect();
        (name.to_owned(), Tensor::from_vec(values, shape, &Device::Cpu).unwrap())
    };
    let tensors: std::collections::HashMap<_, _> = tensors.iter().map(|(name, shape)| tensor(name, shape)).collect();
    candle_core::safetensors::save(&tensors, path).unwrap();
}

/// The parts of a file with these keys, each as name and number of tensors.
fn parts(keys: &[(&str, &[usize])]) -> (String, Vec<(String, usize)>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.safetensors");
    write(&file, keys);
    let split = split(&file, &folder.path().join("parts"), &By::Block, Existing::Keep).unwrap();
    (split.family.to_owned(), split.pieces.into_iter().map(|piece| (piece.part, piece.tensors)).collect())
}

#[test]
fn families_without_an_engine_are_split_by_their_keys() {
    let s: &[usize] = &[2, 2];
    let (family, flux) = parts(&[
        ("lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_up.weight", s),
        ("lora_te3_encoder_block_0_layer_0_SelfAttention_q.lora_up.weight", s),
        ("lora_unet_img_in.lora_up.weight", s),
        ("lora_unet_double_blocks_3_img_attn_proj.lora_up.weight", s),
        ("lora_unet_double_blocks_3_img_attn_proj.lora_down.weight", s),
        ("lora_unet_double_blocks_3_img_attn_proj.alpha", &[]),
        ("lora_unet_single_blocks_37_linear1.lora_up.weight", s),
        ("lora_unet_final_layer_linear.lora_up.weight", s),
        ("bundle_emb.x.string_to_param.*", s),
        ("something_else.weight", s),
    ]);
    assert_eq!(family, "Flux");
    let name = |parts: &[(String, usize)]| parts.iter().map(|(p, n)| format!("{p} {n}")).collect::<Vec<_>>().join(", ");
    assert_eq!(name(&flux), "CLIP 1, T5 1, IN 1, D03 3, S37 1, OUT 1, BUNDLED 1, UNKNOWN 1");

    let (family, flux) = parts(&[
        ("transformer.transformer_blocks.18.attn.to_q.lora_A.weight", &[2, 3072]),
        ("transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight", &[2, 3072]),
        ("transformer.single_transformer_blocks.0.attn.to_q.lora_B.weight", s),
        ("transformer.norm_out.linear.lora_A.weight", s),
        ("text_encoder.text_model.encoder.layers.0.mlp.fc1.lora_A.weight", s),
    ]);
    assert_eq!((family.as_str(), name(&flux).as_str()), ("Flux", "CLIP 1, D18 1, S00 2, OUT 1"));

    let (family, sd3) = parts(&[
        ("lora_unet_joint_blocks_23_x_block_attn_proj.lora_up.weight", s),
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_up.weight", s),
        ("lora_te3_encoder_block_0_layer_0_SelfAttention_q.lora_up.weight", s),
    ]);
    assert_eq!((family.as_str(), name(&sd3).as_str()), ("SD3", "CLIP 1, T5 1, J23 1"));
    let (family, sd3) = parts(&[("transformer.transformer_blocks.5.attn.to_q.lora_A.weight", &[2, 1536])]);
    assert_eq!((family.as_str(), name(&sd3).as_str()), ("SD3", "J05 1"));

    let (family, anima) = parts(&[
        ("lora_unet_blocks_0_self_attn_q_proj.lora_down.weight", s),
        ("lora_unet_blocks_27_mlp_layer1.lora_down.weight", s),
        ("lora_unet_llm_adapter_blocks_2_cross_attn_q_proj.lora_down.weight", s),
        ("lora_te_layers_3_self_attn_q_proj.lora_down.weight", s),
    ]);
    assert_eq!((family.as_str(), name(&anima).as_str()), ("Anima", "TE 1, LLM 1, B00 1, B27 1"));
    let (family, anima) = parts(&[("diffusion_model.blocks.5.cross_attn.q_proj.lora_A.weight", s)]);
    assert_eq!((family.as_str(), name(&anima).as_str()), ("Anima", "B05 1"));

    let (family, z_image) = parts(&[
        ("diffusion_model.layers.29.attention.to_q.lora_A.weight", s),
        ("diffusion_model.noise_refiner.1.attention.to_q.lora_A.weight", s),
        ("diffusion_model.context_refiner.0.feed_forward.w1.lora_A.weight", s),
        ("diffusion_model.cap_embedder.1.lora_A.weight", s),
    ]);
    assert_eq!((family.as_str(), name(&z_image).as_str()), ("Z-Image", "IN 1, NR01 1, CR00 1, L29 1"));
}

#[test]
fn what_is_not_known_is_refused_with_its_keys_or_kept_in_a_part_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wan.safetensors");
    write(&file, &[("diffusion_model.blocks.0.self_attn.q.lora_A.weight", &[2, 2])]);
    let error = split(&file, &folder.path().join("parts"), &By::Block, Existing::Keep).unwrap_err();
    assert!(error.to_string().contains("diffusion_model.blocks.0"), "{error}");
    assert!(!folder.path().join("parts").exists());
    // A deeper model than SDXL: its keys still say the block. What says none is kept apart.
    let (family, parts) = parts(&[
        ("lora_unet_output_blocks_1_1_transformer_blocks_11_attn2_to_k.lora_down.weight", &[2, 2048]),
        ("lora_unet_time_embed_0.lora_down.weight", &[2, 2]),
        ("lora_unet_odd.lora_down.weight", &[2, 2]),
    ]);
    let expected = [("OUT01", 1), ("OUTSIDE", 1), ("UNKNOWN", 1)].map(|(part, count)| (part.to_owned(), count));
    assert_eq!((family.as_str(), parts.as_slice()), ("SDXL", expected.as_slice()));
    for by in ["IN04-IN99", "attn1", "in,IN04", ""] {
        let by = By::parse(by);
        let error = split(&named("lora_linear"), folder.path(), &by, Existing::Keep).unwrap_err();
        assert!(matches!(error, SurgeryError::UnknownGroup { .. } | SurgeryError::Overlap { .. }), "{error}");
    }
}

/// Merges files, each with its strength and block weights.
struct Merging {
    model: Model,
    rank: Option<usize>,
    precision: Precision,
    with_base: bool,
}

type Factor<'f> = &'f dyn Fn(&NetworkModule) -> (f64, f64);

impl Merging {
    fn new() -> Self {
        Merging { model: Model::new(), rank: None, precision: Precision::F32, with_base: true }
    }

    fn merge(&self, files: &[(PathBuf, Factor)], output: &Path) -> Result<Merged, SurgeryError> {
        let sources: Vec<Source> =
            files.iter().map(|(path, factor)| Source { path: path.clone(), factor: *factor }).collect();
        let options = Merge {
            table: &self.model.table,
            keys: KeyTable::Lenient,
            base: self.with_base.then(|| self.model.checkpoint.file()),
            exact: false,
            rank: self.rank,
            precision: self.precision,
            provenance: "test".to_owned(),
            existing: Existing::Keep,
        };
        merge(&sources, output, &options)
    }

    /// The sum of the deltas that the sources make one by one.
    fn expected(&self, files: &[(PathBuf, Factor)]) -> Deltas {
        let mut deltas = Deltas::new();
        for (path, factor) in files {
            self.model.add(&mut deltas, &self.model.open(path), false, factor);
        }
        deltas
    }
}

#[test]
fn a_merged_file_has_the_sum_of_the_deltas_whatever_the_kinds() {
    let merging = Merging::new();
    let first = |module: &NetworkModule| (0.7, weight(module));
    let second = |module: &NetworkModule| (-0.4, 1.5 - weight(module));
    for file in golden() {
        for other in ["lora_linear", "locon", "locon_mid_cp", "full_diff"] {
            let files: [(PathBuf, Factor); 2] = [(file.clone(), &first), (named(other), &second)];
            let folder = tempfile::tempdir().unwrap();
            let output = folder.path().join("ab.safetensors");
            let merged = merging.merge(&files, &output).unwrap_or_else(|e| panic!("{} {e}", file.display()));
            assert!(merged.errors.is_empty(), "f32 needs no measure");
            let (got, expected) = (merging.model.deltas(&output, false, |_| (1.0, 1.0)), merging.expected(&files));
            let distance = distance(&got, &expected);
            assert!(distance <= 1e-6, "{} and {other}: {distance:e}", file.display());
            // The names are those webui reads, so that it applies every module.
            let webui = Network::open(&output, &merging.model.table, KeyTable::Webui).unwrap();
            assert!(webui.unmatched().is_empty(), "{:?}", webui.unmatched());
        }
    }
}

#[test]
fn ranks_add_up_and_a_module_of_one_file_keeps_its_kind() {
    let merging = Merging::new();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("ab.safetensors");
    let (full, half) = (|_: &NetworkModule| (1.0, 1.0), |_: &NetworkModule| (0.5, 1.0));
    let both: [(PathBuf, Factor); 2] = [(named("lora_linear"), &full), (named("lora_linear_f16"), &half)];
    let merged = merging.merge(&both, &output).unwrap();
    assert!(merged.concatenated > 0 && merged.full == 0, "{merged:?}");
    let ranks = |path: &Path| -> BTreeMap<String, Option<usize>> {
        merging.model.open(path).modules().iter().map(|m| (m.name().to_owned(), m.rank())).collect()
    };
    let (a, b, ab) = (ranks(&both[0].0), ranks(&both[1].0), ranks(&output));
    for (name, rank) in ab {
        let parts = [&a, &b].map(|side| side.get(&name).copied().flatten().unwrap_or(0));
        assert_eq!(rank, Some(parts[0] + parts[1]), "{name}");
    }

    for (name, kind) in [("loha_linear", Kind::Loha), ("lokr_dec_dec", Kind::Lokr), ("ia3", Kind::Ia3)] {
        let output = folder.path().join(format!("{name}.safetensors"));
        let one: [(PathBuf, Factor); 1] = [(named(name), &half)];
        // A file of one kind that scales needs no checkpoint.
        let merging = Merging { with_base: false, ..Merging::new() };
        merging.merge(&one, &output).unwrap();
        assert!(merging.model.open(&output).modules().iter().all(|module| module.kind() == kind), "{name}");
    }
    // Without its checkpoint a rotation that is scaled is refused by name; unscaled it is kept.
    let merging = Merging { with_base: false, ..Merging::new() };
    let output = folder.path().join("oft.safetensors");
    let error = merging.merge(&[(named("oft_kohya"), &half as Factor)], &output).unwrap_err();
    assert!(matches!(&error, SurgeryError::NeedsCheckpoint { kind, .. } if kind == "OFT"), "{error}");
    assert!(!output.exists());
    merging.merge(&[(named("oft_kohya"), &full as Factor)], &output).unwrap();
}

#[test]
fn factors_that_are_no_numbers_and_tensors_without_a_module_are_told() {
    let merging = Merging::new();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("x.safetensors");
    let (bad, one) = (|_: &NetworkModule| (f64::INFINITY, 1.0), |_: &NetworkModule| (1.0, 1.0));
    let error = merging.merge(&[(named("lora_linear"), &bad as Factor)], &output).unwrap_err();
    assert!(matches!(error, SurgeryError::NotFinite { .. }));
    let huge = |_: &NetworkModule| (1e30, 1.0);
    let half = Merging { precision: Precision::F16, ..Merging::new() };
    let twice: [(PathBuf, Factor); 2] = [(named("lora_linear"), &huge), (named("lora_linear"), &huge)];
    assert!(matches!(half.merge(&twice, &output), Err(SurgeryError::Overflow { .. })));
    assert!(!output.exists());
    let merged = merging.merge(&[(named("names_unmatched_mix"), &one as Factor)], &output).unwrap();
    let unmatched = merging.model.open(&named("names_unmatched_mix")).unmatched().to_vec();
    assert!(!unmatched.is_empty());
    assert_eq!(merged.left_out, [(named("names_unmatched_mix").to_string_lossy().into_owned(), unmatched)]);
}

#[test]
fn the_error_of_a_cut_is_the_one_that_is_told() {
    let full = |_: &NetworkModule| (1.0, 1.0);
    let second = |module: &NetworkModule| (0.6, weight(module));
    for (other, precision) in
        [("lora_linear_f16", Precision::F32), ("locon_mid_cp", Precision::F16), ("lokr_full_full", Precision::Bf16)]
    {
        let merging = Merging { rank: Some(3), precision, ..Merging::new() };
        let files: [(PathBuf, Factor); 2] = [(named("lora_linear"), &full), (named(other), &second)];
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("cut.safetensors");
        let merged = merging.merge(&files, &output).unwrap();
        assert!(merged.cut > 0, "{other}");
        assert!(merging.model.open(&output).modules().iter().all(|m| m.rank().is_none_or(|rank| rank <= 3)));
        let (got, meant) = (merging.model.deltas(&output, false, |_| (1.0, 1.0)), merging.expected(&files));
        let block = |name: &str| {
            let module = name.split(' ').next().unwrap();
            Block::of_module(Family::Sdxl, module).map_or("outside", |block| block.name())
        };
        for told in &merged.errors {
            let mut square = 0.0;
            for (name, meant) in meant.iter().filter(|(name, _)| block(name) == told.block) {
                let zeros = vec![0.0; meant.len()];
                let got = got.get(name).unwrap_or(&zeros);
                square += meant.iter().zip(got).map(|(m, g)| (m - g).powi(2)).sum::<f64>();
            }
            let measured = square.sqrt();
            assert!((measured - told.error).abs() <= 1e-5 * told.norm, "{other}: {measured} {told:?}");
        }
        // It is the least error that is possible: that of the singular values left out.
        assert!(merged.errors.iter().all(|told| told.ranks.1 <= 3 && told.error < told.norm));
    }
}

#[test]
fn a_lower_rank_keeps_names_types_and_what_it_cannot_cut() {
    let model = Model::new();
    for (name, size) in [
        ("lora_linear", Size { rank: Some(2), energy: None }),
        ("lora_linear_f16", Size { rank: None, energy: Some(0.8) }),
        ("locon", Size { rank: Some(1), energy: None }),
        ("locon_mid_cp", Size { rank: Some(2), energy: None }),
        ("names_peft_diffusers", Size { rank: Some(2), energy: None }),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("small.safetensors");
        let resized = resize(&named(name), &output, &model.table, size, "test", Existing::Keep).unwrap();
        assert!(resized.cut > 0, "{name}");
        let (old, new) = (model.open(&named(name)), model.open(&output));
        assert_eq!(old.modules().len(), new.modules().len());
        let (before, after) =
            (model.deltas(&named(name), false, |_| (1.0, 1.0)), model.deltas(&output, false, |_| (1.0, 1.0)));
        let (mut error, mut all) = (0.0, 0.0);
        for told in &resized.errors {
            error += told.error.powi(2);
            all += told.norm.powi(2);
        }
        let measured = distance(&after, &before) * norm(before.values().flatten());
        assert!((measured - error.sqrt()).abs() <= 1e-5 * all.sqrt(), "{name}: {measured} {}", error.sqrt());
        let (old, new) = (TensorFile::open(&named(name)).unwrap(), TensorFile::open(&output).unwrap());
        let dtype = |file: &TensorFile, end: &str| {
            let name = file.names().find(|name| name.ends_with(end)).map(str::to_owned);
            name.map(|name| (file.entry(&name).unwrap().dtype, name))
        };
        for end in ["lora_up.weight", "lora_B.weight"] {
            assert_eq!(dtype(&new, end), dtype(&old, end), "{name}");
        }
        if let Some(energy) = size.energy {
            assert!(error <= (1.0 - energy) * all * 1.001, "{name}");
        }
    }
    for (name, kind) in [("loha_linear", Kind::Loha), ("full_diff", Kind::Full), ("oft_kohya", Kind::Oft)] {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("same.safetensors");
        let size = Size { rank: Some(1), energy: None };
        let resized = resize(&named(name), &output, &model.table, size, "test", Existing::Keep).unwrap();
        assert_eq!((resized.cut, resized.other_kinds.keys().next()), (0, Some(&kind)));
        let (old, new) = (TensorFile::open(&named(name)).unwrap(), TensorFile::open(&output).unwrap());
        assert!(old.names().all(|tensor| old.bytes(tensor).unwrap() == new.bytes(tensor).unwrap()));
    }
}

#[test]
fn differences_are_those_of_the_deltas() {
    let model = Model::new();
    let folder = tempfile::tempdir().unwrap();
    for (a, b) in [
        ("lora_linear", "lora_linear_f16"),
        ("lora_linear", "locon_mid_cp"),
        ("loha_linear", "lora_linear"),
        ("full_diff", "norm"),
    ] {
        let told = difference(&named(a), &named(b), &model.table).unwrap();
        let (in_a, in_b) =
            (model.deltas(&named(a), true, |_| (1.0, 1.0)), model.deltas(&named(b), true, |_| (1.0, 1.0)));
        let inner: f64 = in_a
            .iter()
            .filter_map(|(name, a)| Some(a.iter().zip(in_b.get(name)?).map(|(a, b)| a * b).sum::<f64>()))
            .sum();
        let (norm_a, norm_b) = (norm(in_a.values().flatten()), norm(in_b.values().flatten()));
        let close = |got: f64, expected: f64| assert!((got - expected).abs() <= 1e-5 * norm_a, "{a} {b}: {told:?}");
        close(told.total.norm_a, norm_a);
        close(told.total.norm_b, norm_b);
        close(told.total.difference, distance(&in_b, &in_a) * norm_a);
        close(told.total.cosine.unwrap() * norm_a, inner / norm_b);
        let squares: f64 = told.blocks.iter().map(|block| block.difference.powi(2)).sum();
        close(squares.sqrt(), told.total.difference);
    }
    let same = difference(&named("oft_kohya"), &named("oft_kohya"), &model.table).unwrap();
    assert!(!same.unmeasured_equal.is_empty() && same.unmeasured_different.is_empty());
    let parts = split(&named("lora_linear"), folder.path(), &By::Block, Existing::Keep).unwrap();
    let one = difference(&named("lora_linear"), &parts.pieces[0].path, &model.table).unwrap();
    assert!(one.only_in_b.is_empty() && !one.only_in_a.is_empty());
    let block = one.blocks.iter().find(|block| block.block == parts.pieces[0].part).unwrap();
    assert!(block.difference <= 1e-12 && (block.cosine.unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn a_lora_out_of_two_checkpoints_is_the_one_that_went_in() {
    let model = Model::new();
    let base = model.checkpoint.file();
    let folder = tempfile::tempdir().unwrap();
    // The base with a LoRA of rank 4 and a norm's difference added, a changed bias, and a changed VAE.
    let mut tensors: std::collections::HashMap<String, Tensor> =
        base.names().map(|name| (name.to_owned(), base.f32(name).unwrap())).collect();
    for name in ["lora_linear", "locon", "norm"] {
        let network = model.open(&named(name));
        for module in network.modules() {
            let target = module.target().clone();
            let old = tensors[&target.tensor].clone();
            let delta = module.delta(&target.part_of(&old).unwrap(), 1.0, 1.0, true).unwrap();
            if let Some(weight) = delta.weight {
                let rows = target.rows.clone().unwrap_or(0..old.dim(0).unwrap());
                let mut ranges: Vec<_> = old.dims().iter().map(|d| 0..*d).collect();
                ranges[0] = rows;
                let part = (target.part_of(&old).unwrap() + weight).unwrap();
                tensors.insert(target.tensor.clone(), old.slice_assign(&ranges, &part).unwrap());
            }
            if let (Some(bias), Some(name)) = (delta.bias, &target.bias) {
                let sum = (&tensors[name] + bias).unwrap();
                tensors.insert(name.clone(), sum);
            }
        }
    }
    let changed = ["model.diffusion_model.out.2.bias", "first_stage_model.decoder.conv_in.weight"];
    for name in changed {
        let more = (&tensors[name] + 0.25).unwrap();
        tensors.insert(name.to_owned(), more);
    }
    let path = folder.path().join("tuned.safetensors");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    let tuned = TensorFile::open(&path).unwrap();
    let output = folder.path().join("extracted.safetensors");
    let extracted =
        extract(&tuned, base, 8, Precision::F32, &output, "test", Existing::Keep).unwrap_or_else(|e| panic!("{e}"));
    let left_out: Vec<&str> = extracted.left_out.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(BTreeSet::from_iter(left_out), BTreeSet::from(changed));
    assert!(extracted.unpaired.is_empty() && extracted.norms > 0);

    let got = model.deltas(&output, false, |_| (1.0, 1.0));
    let mut meant = Deltas::new();
    for name in ["lora_linear", "locon", "norm"] {
        model.add(&mut meant, &model.open(&named(name)), true, |_| (1.0, 1.0));
    }
    let distance = distance(&got, &meant);
    // What f32 loses of a difference of two weights.
    assert!(distance < 1e-5, "{distance:e}");
    let webui = Network::open(&output, &model.table, KeyTable::Webui).unwrap();
    assert!(webui.unmatched().is_empty());

    // At a lower rank the error told is that of the file.
    let output = folder.path().join("rank2.safetensors");
    let extracted = extract(&tuned, base, 2, Precision::F16, &output, "test", Existing::Keep).unwrap();
    let told: f64 = extracted.errors.iter().map(|block| block.error.powi(2)).sum();
    let mut got = model.deltas(&output, false, |_| (1.0, 1.0));
    let is_norm = |name: &String| model.table.target(name.split(' ').next().unwrap()).unwrap().shape.len() == 1;
    got.retain(|name, _| !is_norm(name));
    meant.retain(|name, _| !is_norm(name));
    let measured = self::distance(&got, &meant) * norm(meant.values().flatten());
    assert!((measured / told.sqrt() - 1.0).abs() < 1e-3, "{measured} {}", told.sqrt());

    let same = extract(base, base, 2, Precision::F16, &folder.path().join("no.safetensors"), "", Existing::Keep);
    assert!(matches!(same, Err(SurgeryError::NoDifference { .. })));
}
