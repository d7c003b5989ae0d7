//! LoRA files as other tools write them.

use candle_core::{Device, Tensor};
use half::f16;
use lbw::block::Family;
use lbw::lora::{Inspection, KeyTable, Kind, LoraError, ModuleTable, Network};

use super::write::{Stored, safetensors, torch};

/// A linear layer of 8×4 with a bias and a norm of 4 in the UNet, and tables of both text encoders.
fn table() -> ModuleTable {
    let tensors: [(&str, &[usize]); 6] = [
        ("model.diffusion_model.input_blocks.4.1.proj_in.weight", &[8, 4]),
        ("model.diffusion_model.input_blocks.4.1.proj_in.bias", &[8]),
        ("model.diffusion_model.input_blocks.4.1.norm.weight", &[4]),
        ("model.diffusion_model.input_blocks.4.1.norm.bias", &[4]),
        ("conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight", &[16, 3]),
        ("conditioner.embedders.1.model.token_embedding.weight", &[16, 5]),
    ];
    ModuleTable::new(Family::Sdxl, tensors)
}

const KOHYA: &str = "lora_unet_input_blocks_4_1_proj_in";

fn open(bytes: &[u8], keys: KeyTable) -> Result<Network, LoraError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    std::fs::write(&path, bytes).unwrap();
    let _ = Inspection::of_file(&path, Some(&table())).unwrap();
    Network::open(&path, &table(), keys)
}

fn lenient(tensors: &[Stored]) -> Network {
    open(&safetensors(tensors, &[]), KeyTable::Lenient).unwrap()
}

fn refused(tensors: &[Stored]) -> String {
    open(&safetensors(tensors, &[]), KeyTable::Lenient).unwrap_err().to_string()
}

/// Multiples of an eighth, which f16 and 8 bits hold exactly.
fn wave(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 5 % 9) as f32 - 4.0) / 8.0).collect()
}

/// The two factors of the linear layer under these names.
fn factors(up: &str, down: &str) -> Vec<Stored> {
    vec![Stored::f32(up, &[8, 2], wave(16)), Stored::f32(down, &[2, 4], wave(8))]
}

fn delta(network: &Network, rows: usize, columns: usize) -> (Vec<f32>, Option<Vec<f32>>) {
    let base = Tensor::ones(
        if columns == 0 { vec![rows] } else { vec![rows, columns] },
        candle_core::DType::F32,
        &Device::Cpu,
    );
    let [module] = network.modules() else { panic!("{} modules", network.modules().len()) };
    let delta = module.delta(&base.unwrap(), 1.0, 1.0, false).unwrap();
    let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    (delta.weight.as_ref().map(values).unwrap(), delta.bias.as_ref().map(values))
}

#[test]
fn key_names_of_other_tools_are_one_module() {
    let kohya = format!("{KOHYA}.lora_up.weight");
    let expected = delta(&lenient(&factors(&kohya, &format!("{KOHYA}.lora_down.weight"))), 8, 4);
    let (ldm, diffusers) = ("input_blocks.4.1.proj_in", "down_blocks.1.attentions.0.proj_in");
    for stem in [
        ldm.to_owned(),
        diffusers.to_owned(),
        format!("unet.{diffusers}"),
        format!("unet._orig_mod.{diffusers}"),
        format!("base_model.model.{diffusers}"),
        format!("base_model.model.unet.{diffusers}"),
        format!("diffusion_model.{ldm}"),
        format!("model.diffusion_model.{ldm}"),
        format!("lycoris_{}", diffusers.replace('.', "_")),
        KOHYA.to_owned(),
    ] {
        for (up, down) in [("lora_B.weight", "lora_A.weight"), ("lora_up.weight", "lora_down.weight")] {
            let mut tensors = factors(&format!("{stem}.{up}"), &format!("{stem}.{down}"));
            assert_eq!(delta(&lenient(&tensors), 8, 4), expected, "{stem}");
            // alpha / rank halves it.
            tensors.push(Stored::f32(&format!("{stem}.alpha"), &[], [1.0]));
            let halved: Vec<f32> = expected.0.iter().map(|v| v / 2.0).collect();
            assert_eq!(delta(&lenient(&tensors), 8, 4).0, halved, "{stem}");
        }
    }
}

#[test]
fn number_types_change_nothing() {
    let wide = factors(&format!("{KOHYA}.lora_up.weight"), &format!("{KOHYA}.lora_down.weight"));
    let expected = delta(&lenient(&wide), 8, 4);
    let values = |t: &Stored| t.bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect::<Vec<_>>();
    // An f16 of two bits of mantissa is an e5m2 with a byte of zeros.
    let narrow = |t: &Stored| values(t).iter().map(|v| (f16::from_f32(*v).to_bits() >> 8) as u8).collect::<Vec<u8>>();
    let alphas = [
        Stored::raw("", "I16", &[], vec![2, 0]),
        Stored::raw("", "U8", &[1], vec![2]),
        Stored::raw("", "F8_E4M3", &[], vec![0x40]),
        Stored::raw("", "F64", &[1, 1], 2f64.to_le_bytes().to_vec()),
    ];
    for alpha in alphas {
        let mut narrowed: Vec<Stored> =
            wide.iter().map(|t| Stored::raw(&t.name, "F8_E5M2", &t.shape, narrow(t))).collect();
        let wanted = narrowed
            .iter()
            .zip(&wide)
            .all(|(n, w)| n.bytes.iter().zip(values(w)).all(|(b, v)| f16::from_bits(u16::from(*b) << 8).to_f32() == v));
        assert!(wanted, "the numbers of the test are exact in 8 bits");
        narrowed.push(Stored { name: format!("{KOHYA}.alpha"), ..alpha });
        // What no kind reads may be of any type and hold anything.
        narrowed.push(Stored::raw(&format!("{KOHYA}.step"), "C64", &[1], vec![0xff; 8]));
        narrowed.push(Stored::f32(&format!("{KOHYA}.lora_down.bias"), &[2], [f32::NAN, 0.0]));
        assert_eq!(delta(&lenient(&narrowed), 8, 4), expected);
    }
    assert_eq!(delta(&open(&torch(&wide), KeyTable::Lenient).unwrap(), 8, 4), expected, "as a pickle");
}

#[test]
fn an_alpha_that_divides_nothing_may_be_infinite() {
    let whole = |alpha: f32| {
        let (w1, w2) = (format!("{KOHYA}.lokr_w1"), format!("{KOHYA}.lokr_w2"));
        [
            Stored::f32(&w1, &[2, 2], wave(4)),
            Stored::f32(&w2, &[4, 2], wave(8)),
            Stored::f32(&format!("{KOHYA}.alpha"), &[], [alpha]),
        ]
    };
    for keys in [KeyTable::Webui, KeyTable::Lenient] {
        let deltas = [1.0, f32::INFINITY].map(|a| delta(&open(&safetensors(&whole(a), &[]), keys).unwrap(), 8, 4));
        assert_eq!(deltas[0], deltas[1]);
    }
    let mut lora = factors(&format!("{KOHYA}.lora_up.weight"), &format!("{KOHYA}.lora_down.weight"));
    lora.push(Stored::f32(&format!("{KOHYA}.alpha"), &[], [f32::INFINITY]));
    assert!(refused(&lora).contains("`alpha` is inf"), "{}", refused(&lora));
}

#[test]
fn biases_beside_any_kind_are_applied_as_meant() {
    let stem = "diffusion_model.input_blocks.4.1";
    let mut tensors = factors(&format!("{stem}.proj_in.lora_up.weight"), &format!("{stem}.proj_in.lora_down.weight"));
    let (plain, none) = delta(&lenient(&tensors), 8, 4);
    assert_eq!(none, None);
    let bias = Stored::f32(&format!("{stem}.proj_in.diff_b"), &[8], wave(8));
    tensors.push(bias.clone());
    assert_eq!(delta(&lenient(&tensors), 8, 4), (plain, Some(wave(8))));
    assert_eq!(delta(&lenient(&[bias]), 8, 4), (vec![0.0; 32], Some(wave(8))), "a bias alone");

    let norm = |part: &str| Stored::f32(&format!("{stem}.norm.{part}"), &[4], wave(4));
    assert_eq!(delta(&lenient(&[norm("w_norm"), norm("b_norm")]), 4, 0), (wave(4), Some(wave(4))));
    let alone = lenient(&[norm("w_norm")]);
    assert_eq!((delta(&alone, 4, 0), alone.modules()[0].kind()), ((wave(4), None), Kind::Norm));
}

#[test]
fn two_names_for_one_module_are_refused_unless_they_are_copies() {
    let other = "unet.down_blocks.1.attentions.0.proj_in";
    let mut tensors = factors(&format!("{KOHYA}.lora_up.weight"), &format!("{KOHYA}.lora_down.weight"));
    tensors.extend(factors(&format!("{other}.lora_B.weight"), &format!("{other}.lora_A.weight")));
    assert_eq!(lenient(&tensors).modules().len(), 1);
    tensors[3] = Stored::f32(&tensors[3].name, &[2, 4], [1.0; 8]);
    let said = refused(&tensors);
    assert!(said.contains(KOHYA) && said.contains(other) && said.contains("two names"), "{said}");
}

#[test]
fn kinds_that_are_not_applied_are_named() {
    let dylora: Vec<Stored> = (0..64)
        .flat_map(|i| {
            [("A", [1, 4]), ("B", [8, 1])].map(|(side, shape)| {
                Stored::f32(&format!("{KOHYA}.lora_{side}.{i}"), &shape, vec![0.0; shape[0] * shape[1]])
            })
        })
        .collect();
    assert!(refused(&dylora).contains("DyLoRA") && refused(&dylora).len() < 400, "{}", refused(&dylora));
    let oft = [Stored::f32(&format!("{KOHYA}.oft_R.weight"), &[1, 6], vec![0.0; 6])];
    assert!(refused(&oft).contains("OFTv2"));
    let embedding = [Stored::f32("clip_g", &[1, 5], wave(5)), Stored::f32("clip_l", &[1, 3], wave(3))];
    assert!(refused(&embedding).contains("embeddings folder"));
}

#[test]
fn other_families_are_named() {
    for (name, family) in [
        ("transformer.joint_transformer_blocks.0.attn.to_q.lora_A.weight", "AuraFlow"),
        ("transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight", "Flux"),
        ("lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight", "Flux"),
        ("transformer.double_blocks.0.img_attn_qkv.lora_A.weight", "HunyuanVideo"),
        ("transformer.transformer_blocks.0.attn.add_q_proj.lora_A.weight", "SD3"),
        ("diffusion_model.blocks.0.self_attn.q.lora_A.weight", "Wan"),
        ("lora_prior_unet_down_blocks_0_2_attention_attn_in_proj.lora_down.weight", "Stable Cascade"),
    ] {
        let said = refused(&[Stored::f32(name, &[2, 4], wave(8))]);
        assert!(said.contains(&format!("made for {family}")), "{said}");
    }
}

#[test]
fn embeddings_in_a_lora_are_those_that_fit() {
    let mut tensors = factors(&format!("{KOHYA}.lora_up.weight"), &format!("{KOHYA}.lora_down.weight"));
    let vectors = |name: &str, rows: usize, width: usize| Stored::f32(name, &[rows, width], wave(rows * width));
    tensors.extend([vectors("bundle_emb.good.clip_l", 2, 3), vectors("bundle_emb.good.clip_g", 2, 5)]);
    tensors.extend([vectors("bundle_emb.wide.clip_l", 2, 4), vectors("bundle_emb.wide.clip_g", 2, 5)]);
    tensors.push(vectors("bundle_emb.half.clip_l", 1, 3));
    let network = lenient(&tensors);
    let [embedding] = network.bundled() else { panic!("{:?}", network.bundled()) };
    assert_eq!(
        (embedding.name.as_str(), embedding.vectors[0].dims(), embedding.vectors[1].dims()),
        ("good", &[2, 3][..], &[2, 5][..])
    );
    assert_eq!(network.unmatched().len(), 3, "{:?}", network.unmatched());
}
