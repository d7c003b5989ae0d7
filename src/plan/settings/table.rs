//! The table of settings: all there is to set, once.
//!
//! Infotext, webui's `config.json`, prompt files, CSV and JSON, the API and flags are read by it, infotext is written and limits
//! are checked by it. A new setting is a row here and its use.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::choice::{Emphasis, MaskedContent, NoiseSource, PadConds, RefinerPass, ResizeMode};
use super::setting::{Group, Setting, setting, settings};
use crate::plan::{Dialect, Sampler, ScheduleType, UniPcOptions, UniPcSkipType, UniPcVariant};

/// Longest side in pixels.
pub const MAX_SIDE: u32 = 4096;
/// Most steps of a pass.
pub const MAX_STEPS: u32 = 1000;
/// Most images from one prompt.
pub const MAX_IMAGES: u32 = 10_000;
/// Widest blur of a mask.
pub const MAX_BLUR: u32 = 256;
/// When webui's refiner takes over.
const REFINER_SWITCH: f64 = 0.8;
/// webui's slider of UniPC's order ends here.
const MAX_UNIPC_ORDER: u32 = 50;

/// Everything that a request says, defaults included.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wanted {
    /// The prompts.
    pub texts: Texts,
    /// How many images, and what is put around the prompts.
    pub counts: Counts,
    /// The settings of the first pass.
    pub settings: Settings,
    /// The second pass.
    pub hires: HiresFields,
    /// The picture that is drawn over.
    pub picture: PictureFields,
    /// Names of files.
    pub files: FileFields,
}

settings! {
    /// The prompts of a request, tags included.
    pub struct Texts in texts, rows TEXTS {
        /// What is to be seen.
        prompt: String = String::new(), setting("What is to be seen", "描きたいもの").infotext(&["Prompt"]).api(&["positive_prompt", "Positive prompt", "text", "caption"]).flag("prompt", &[]).value("TEXT");
        /// What is not to be seen.
        negative_prompt: String = String::new(), setting("What is not to be seen", "描きたくないもの")
            .infotext(&["Negative prompt"]).flag("negative-prompt", &["neg", "negative"]).short('n').value("TEXT").often();
        /// The prompt of the second pass; empty is that of the first.
        hires_prompt: String = String::new(), setting("The prompt of the second pass, tags included [default: that of the first]",
            "第 2 パスのプロンプト。タグも書けます [既定: 第 1 パスと同じ]")
            .infotext(&["Hires prompt"]).api(&["hr_prompt"]).group(Group::Hires).value("TEXT");
        /// The negative prompt of the second pass; empty is that of the first.
        hires_negative_prompt: String = String::new(), setting("[default: that of the first pass]", "[既定: 第 1 パスと同じ]")
            .infotext(&["Hires negative prompt"]).api(&["hr_negative_prompt"]).group(Group::Hires).value("TEXT");
    }
}

settings! {
    /// How many images there are, and what is put around the prompts.
    pub struct Counts in counts, rows COUNTS {
        /// Images one after the other, seeds counting up.
        n_iter: u32 = 1, setting("Images per prompt, seeds counting up [default: 1]", "プロンプトごとの枚数。シードは 1 ずつ増えます [既定: 1]")
            .flag("n-iter", &["batch-count"]).limits(1.0, MAX_IMAGES as f64).value("N").often();
        /// Images of each of them.
        batch_size: u32 = 1, setting("Images per iteration; seeds count up through all of them [default: 1]",
            "1 回ごとの枚数。シードは全体を通して増えます [既定: 1]").limits(1.0, MAX_IMAGES as f64).value("N");
        /// Names of webui's styles, put around the prompts in this order.
        styles: Vec<String> = Vec::new(), setting("A style of webui's styles.csv to put around the prompts; may be given several times, they apply in order",
            "プロンプトを包む webui のスタイル (styles.csv)。複数指定でき、順に適用されます").flag("style", &["styles"]).value("NAME").often();
    }
}

settings! {
    /// Generation settings of a pass with every default resolved, named after webui's fields.
    pub struct Settings in settings, rows SETTINGS {
        /// Sampling steps.
        steps: u32 = 20, setting("Sampling steps [default: 20]", "サンプリングのステップ数 [既定: 20]")
            .infotext(&["Steps"]).flag("steps", &[]).short('s').limits(1.0, MAX_STEPS as f64).value("N").written(in_front).often();
        /// The sampler.
        sampler: Sampler = Sampler::DpmPp2M, setting("Sampler, e.g. \"Euler a\"; `--sampler help` lists them [default: DPM++ 2M]",
            "サンプラー。例: \"Euler a\"。`--sampler help` で一覧を表示します [既定: DPM++ 2M]")
            .infotext(&["Sampler"]).api(&["sampler_name", "sampler_index"]).flag("sampler", &["sampling-method"]).value("NAME").written(in_front).often();
        /// The noise schedule.
        schedule_type: ScheduleType = ScheduleType::Automatic, setting("Schedule type, e.g. Karras; `help` lists them [default: Automatic]",
            "スケジュールタイプ。例: Karras。`help` で一覧を表示します [既定: Automatic]")
            .infotext(&["Schedule type"]).api(&["scheduler"]).flag("schedule-type", &["schedule"]).value("NAME").written(in_front).often();
        /// How strongly the prompt is followed.
        cfg_scale: f64 = 7.0, setting("How strongly the prompt is followed [default: 7]", "プロンプトへの忠実さ [既定: 7]")
            .infotext(&["CFG scale"]).flag("cfg-scale", &["cfg", "guidance-scale"]).value("X").written(in_front).often();
        /// The seed of the first image.
        seed: u64 = 0, setting("The seed; -1 draws one [default: -1]", "シード。-1 は乱数 [既定: -1]")
            .infotext(&["Seed"]).flag("seed", &[]).value("N").written(in_front).often();
        /// Pixels, a multiple of 8.
        width: u32 = 1024, setting("Pixels, a multiple of 8 [default: the model's own size; the embedded model's is 128]",
            "幅 (ピクセル)。8 の倍数 [既定: モデル本来の大きさ。内蔵モデルは 128]")
            .infotext(&["Size-1"]).short('W').limits(8.0, MAX_SIDE as f64).multiple_of(8).value("PIXELS").written(in_front).often();
        /// Pixels, a multiple of 8.
        height: u32 = 1024, setting("Pixels, a multiple of 8", "高さ (ピクセル)。8 の倍数")
            .infotext(&["Size-2"]).short('H').limits(8.0, MAX_SIDE as f64).multiple_of(8).value("PIXELS").written(in_front).often();
        /// Only written to infotext, unless `clip_skip_sdxl` is on.
        clip_skip: u32 = 1, setting("Only recorded for SDXL, as in webui", "SDXL では webui と同じく記録だけです")
            .infotext(&["Clip skip"]).option("CLIP_stop_at_last_layers").value("N").written(in_front);
        /// Where random numbers come from.
        noise_source: NoiseSource = NoiseSource::Gpu, setting("Where random numbers come from [default: GPU]", "乱数の出どころ [既定: GPU]")
            .infotext(&["RNG"]).option("randn_source").flag("noise-source", &["rng"]).value("SOURCE").written(in_front);
        /// webui's "eta noise seed delta".
        eta_noise_seed_delta: i64 = 0, setting("webui's \"eta noise seed delta\"", "webui の「Eta noise seed delta」")
            .infotext(&["ENSD"]).option("eta_noise_seed_delta").flag("eta-noise-seed-delta", &["ensd"]).group(Group::Rare).value("N").written(in_front);
        /// The seed that the variation goes towards.
        subseed: u64 = 0, setting("The variation's seed; -1 draws one", "バリエーションのシード。-1 は乱数")
            .infotext(&["Variation seed"]).flag("subseed", &["variation-seed"]).value("N").written(in_front);
        /// How far the variation goes, 0 to 1.
        subseed_strength: f64 = 0.0, setting("How far the variation goes, 0 to 1", "バリエーションの強さ。0〜1")
            .infotext(&["Variation seed strength"]).flag("subseed-strength", &["variation-strength"]).limits(-1000.0, 1000.0).value("X").written(in_front);
        /// Noise is drawn at this size in pixels and laid into the image's; 0 is off.
        seed_resize_from_width: u32 = 0, setting("Draw the noise at this width and lay it into the image's", "この幅でノイズを引き、画像のノイズに重ねます")
            .infotext(&["Seed resize from-1"]).api(&["seed_resize_from_w"]).group(Group::Rare).limits(0.0, MAX_SIDE as f64).value("PIXELS").written(in_front);
        /// See the width.
        seed_resize_from_height: u32 = 0, setting("Likewise the height", "同じく高さ")
            .infotext(&["Seed resize from-2"]).api(&["seed_resize_from_h"]).group(Group::Rare).limits(0.0, MAX_SIDE as f64).value("PIXELS").written(in_front);
        /// How the block weights in tags are read.
        #[serde(skip_serializing_if = "Dialect::is_webui")]
        lbw_dialect: Dialect = Dialect::Webui, setting("Whose reading of block weights in LoRA tags is followed [default: webui]",
            "LoRA タグの階層別の重みをどのツールの読み方で読むか [既定: webui]").infotext(&["LBW dialect"]).value("TOOL").written(in_front);
        /// webui's "use old prompt editing timelines".
        #[serde(skip_serializing_if = "is_default")]
        old_prompt_editing: bool = false, setting("Steps of [from:to:N] as before webui 1.6", "[from:to:N] のステップを webui 1.6 より前のように数えます")
            .infotext(&["Old prompt editing timelines"]).option("use_old_scheduling").group(Group::Rare).written(|_, texts| texts[0].contains('['));
        /// How emphasis weights act.
        emphasis: Emphasis = Emphasis::Original, setting("How emphasis acts [default: Original]", "強調の効き方 [既定: Original]")
            .infotext(&["Emphasis"]).option("emphasis").value("HOW")
            .written(|_, texts| texts.iter().any(|text| text.contains(['(', '['])));
        /// Drops the next-to-last sigma with every sampler.
        always_discard_next_to_last_sigma: bool = false, setting("Drop the next-to-last sigma with every sampler", "どのサンプラーでも最後から 2 番目のシグマを捨てます")
            .infotext(&["Discard penultimate sigma"]).option("always_discard_next_to_last_sigma").flag("discard-penultimate-sigma", &[])
            .group(Group::Rare).written(|settings, _| !settings.sampler.discards_next_to_last_sigma());
        /// Overrides of the schedule; 0 is the model's own.
        sigma_min: f64 = 0.0, setting("Smallest sigma of the schedule; 0 is the model's", "スケジュールの最小シグマ。0 はモデルの値")
            .infotext(&["Schedule min sigma"]).option("sigma_min").group(Group::Rare).value("X");
        /// See `sigma_min`.
        sigma_max: f64 = 0.0, setting("Largest sigma of the schedule; 0 is the model's", "スケジュールの最大シグマ。0 はモデルの値")
            .infotext(&["Schedule max sigma"]).option("sigma_max").group(Group::Rare).value("X");
        /// Rho of Karras and Polyexponential; 0 is their own.
        rho: f64 = 0.0, setting("Rho of the schedules Karras (7) and Polyexponential (1); 0 is their own", "Karras (7) と Polyexponential (1) の rho。0 は既定の値")
            .infotext(&["Schedule rho"]).option("rho").group(Group::Rare).value("X");
        /// Alpha of the schedule Beta.
        beta_alpha: f64 = 0.6, setting("Alpha of the schedule Beta", "Beta スケジュールの alpha")
            .infotext(&["Beta schedule alpha"]).option("beta_dist_alpha").group(Group::Rare).value("X").written(in_front);
        /// Beta of the schedule Beta.
        beta_beta: f64 = 0.6, setting("Beta of the schedule Beta", "Beta スケジュールの beta")
            .infotext(&["Beta schedule beta"]).option("beta_dist_beta").group(Group::Rare).value("X").written(in_front);
        /// Starts from noise times √(1 + σ²).
        sgm_noise_multiplier: bool = false, setting("Start from noise times √(1 + σ²)", "√(1 + σ²) 倍のノイズから始めます")
            .infotext(&["SGM noise multiplier"]).option("sgm_noise_multiplier").group(Group::Rare);
        /// Noise multiplier of ancestral samplers; `None` is the sampler's default, [`Sampler::default_eta`].
        eta: Option<f64> = None, setting("Eta of ancestral and SDE samplers and of DDIM", "ancestral・SDE サンプラーと DDIM の eta")
            .infotext(&["Eta", "Eta DDIM"]).value("X").written(in_front);
        /// Churn of Euler, Heun and DPM2.
        s_churn: f64 = 0.0, setting("Churn of Euler, Heun and DPM2", "Euler・Heun・DPM2 の churn")
            .infotext(&["Sigma churn"]).option("s_churn").group(Group::Rare).value("X");
        /// Churn only between these sigmas.
        s_tmin: f64 = 0.0, setting("Churn only between these sigmas", "churn を行う最小シグマ")
            .infotext(&["Sigma tmin"]).option("s_tmin").group(Group::Rare).value("X");
        /// 0 stands for infinity, as in webui.
        s_tmax: f64 = 0.0, setting("0 is no limit", "churn を行う最大シグマ。0 は無制限")
            .infotext(&["Sigma tmax"]).option("s_tmax").group(Group::Rare).value("X");
        /// Strength of the noise that samplers add.
        s_noise: f64 = 1.0, setting("Strength of the noise that samplers add", "サンプラーが加えるノイズの強さ")
            .infotext(&["Sigma noise"]).option("s_noise").group(Group::Rare).value("X");
        /// Fraction of the first steps without the negative prompt. 0 is off.
        skip_early_cond: f64 = 0.0, setting("Leave out the negative prompt in this share of the first steps", "最初のこの割合のステップではネガティブプロンプトを使いません")
            .infotext(&["Skip Early CFG"]).option("skip_early_cond").flag("skip-early-cfg", &[]).group(Group::Rare).value("X");
        /// "Negative guidance minimum sigma": below it every second step skips the negative prompt. 0 is off.
        s_min_uncond: f64 = 0.0, setting("Below this sigma every second step leaves out the negative prompt (webui's NGMS)",
            "このシグマより下では 1 ステップおきにネガティブプロンプトを使いません (webui の NGMS)")
            .infotext(&["NGMS"]).option("s_min_uncond").flag("s-min-uncond", &["ngms"]).group(Group::Rare).value("X");
        /// Applies `s_min_uncond` to every step.
        s_min_uncond_all: bool = false, setting("Below it, every step does", "その下ではすべてのステップで使いません")
            .infotext(&["NGMS all steps"]).option("s_min_uncond_all").group(Group::Rare).written(|settings, _| settings.s_min_uncond != 0.0);
        /// How prompt and negative prompt of different lengths are brought to the same one.
        #[serde(skip_serializing_if = "is_default")]
        pad_conds: PadConds = PadConds::Separate, setting("Bring prompt and negative prompt to one length: no, empty (with empty prompts), v0 (the negative prompt alone) [default: no]",
            "プロンプトとネガティブプロンプトの長さをそろえる方法: no、empty (空のプロンプトで)、v0 (ネガティブだけ) [既定: no]")
            .group(Group::Rare).value("HOW").written(in_front);
        /// Noise over that of the schedule, where sampling starts from a picture (webui's "extra noise").
        #[serde(skip_serializing_if = "is_default")]
        extra_noise: f64 = 0.0, setting("Noise added over that of the schedule where a picture is drawn over", "画像の上に描くとき、スケジュールの分に加えるノイズ")
            .infotext(&["Extra noise"]).option("img2img_extra_noise").group(Group::Rare).value("X");
        /// webui's "downcast alphas_cumprod": the noise levels are rounded to half precision, as before webui 1.7.
        #[serde(skip_serializing_if = "is_default")]
        downcast_alphas_cumprod: bool = false, setting("Round the noise levels to half precision, as webui did before 1.7", "ノイズの段階を半精度に丸めます (webui 1.7 より前の動作)")
            .infotext(&["Downcast alphas_cumprod"]).option("use_downcasted_alpha_bar").group(Group::Rare);
        /// webui's noise schedule "Zero Terminal SNR", whatever the checkpoint says.
        #[serde(skip_serializing_if = "is_default")]
        zero_terminal_snr: bool = false, setting("webui's noise schedule \"Zero Terminal SNR\"", "webui の noise schedule「Zero Terminal SNR」")
            .infotext(&["Noise Schedule"]).option("sd_noise_schedule").words("Default", "Zero Terminal SNR").group(Group::Rare);
        /// The paper's B(h), or the form that varies its coefficients instead.
        unipc_variant: UniPcVariant = UniPcVariant::Bh1, setting("Form of UniPC [default: bh1]", "UniPC の種類 [既定: bh1]")
            .infotext(&["UniPC variant"]).option("uni_pc_variant").group(Group::Rare).value("VARIANT").written(unipc);
        /// How UniPC spreads its times.
        unipc_skip_type: UniPcSkipType = UniPcSkipType::TimeUniform, setting("How UniPC spreads its times [default: time_uniform]", "UniPC の時刻の配り方 [既定: time_uniform]")
            .infotext(&["UniPC skip type"]).option("uni_pc_skip_type").group(Group::Rare).value("TYPE").written(unipc);
        /// Highest order of UniPC.
        unipc_order: u32 = 3, setting("Highest order of UniPC [default: 3]", "UniPC の最高次数 [既定: 3]")
            .infotext(&["UniPC order"]).option("uni_pc_order").group(Group::Rare).limits(1.0, MAX_UNIPC_ORDER as f64).value("N").written(unipc);
        /// Lowers the order in the last steps.
        unipc_lower_order_final: bool = true, setting("Lower the order of UniPC in the last steps [default: true]", "最後のステップで UniPC の次数を下げます [既定: true]")
            .infotext(&["UniPC lower order final"]).option("uni_pc_lower_order_final").group(Group::Rare).written(unipc);
        /// What lies beyond an edge is what lies at the opposite one.
        #[serde(skip_serializing_if = "is_default")]
        tiling: bool = false, setting("Draw a picture whose opposite edges fit together, for textures", "向かい合う端がつながる画像を描きます (テクスチャー用)")
            .infotext(&["Tiling"]).option("tiling").written(in_front);
        /// The share of tokens that self-attention at full resolution merges.
        #[serde(skip_serializing_if = "is_default")]
        token_merging_ratio: f64 = 0.0, setting("Share of the tokens that self-attention merges at full resolution, to be faster; SDXL has none there", "フル解像度の自己注意でまとめるトークンの割合 (高速化)。SDXL にはその層がありません")
            .infotext(&["Token merging ratio"]).option("token_merging_ratio").limits(0.0, 0.9).group(Group::Rare).value("SHARE").written(in_front);
        /// A checkpoint that takes over on the way.
        #[serde(skip_serializing_if = "is_default")]
        refiner: Option<String> = None, setting("A checkpoint that takes over on the way", "途中から引き継ぐチェックポイント")
            .infotext(&["Refiner"]).api(&["refiner_checkpoint"]).group(Group::Files).value("FILE|NAME").written(in_front);
        /// When it does: how far the noise is gone, or the steps are done.
        #[serde(skip_serializing_if = "is_switch")]
        refiner_switch_at: f64 = REFINER_SWITCH, setting("When the refiner takes over, 0 to 1 [default: 0.8]", "refiner に切り替える時点。0〜1 [既定: 0.8]")
            .infotext(&["Refiner switch at"]).limits(0.0, 1.0).value("SHARE").written(in_front);
        /// Whether steps are counted, and not the noise that is gone.
        #[serde(skip_serializing_if = "is_default")]
        refiner_switch_by_sample_steps: bool = false, setting("Count steps for --refiner-switch-at, not the noise that is gone", "--refiner-switch-at を、消えたノイズではなくステップ数で数えます")
            .infotext(&["Refiner switch by sampling steps"]).option("refiner_switch_by_sample_steps").group(Group::Rare).written(in_front);
        // webui keeps the rest to itself; without it a pasted infotext would give another picture.
        /// Crop coordinates that the model is told.
        crop_top: u32 = 0, setting("Crop coordinates that the model is told", "モデルに伝える切り抜きの座標")
            .infotext(&["SDXL crop top"]).option("sdxl_crop_top").group(Group::Rare).value("PIXELS");
        /// See `crop_top`.
        crop_left: u32 = 0, setting("See --crop-top", "--crop-top を参照").infotext(&["SDXL crop left"]).option("sdxl_crop_left").group(Group::Rare).value("PIXELS");
        /// webui's option "Clip skip SDXL": CLIP-L takes the layer that `clip_skip` names.
        clip_skip_sdxl: bool = false, setting("Let --clip-skip act on CLIP-L, as webui's option \"Clip skip SDXL\" does", "--clip-skip を CLIP-L に効かせます (webui の「Clip skip SDXL」)")
            .infotext(&["Clip skip SDXL"]).option("sdxl_clip_l_skip").group(Group::Rare).written(|settings, _| settings.clip_skip > 1);
        /// webui's "increase coherency by padding from the last comma within n tokens"; 0 turns it off.
        comma_padding_backtrack: u32 = 20, setting("How far back a full chunk may end at a comma; 0 turns that off [default: 20]",
            "満杯のチャンクを何トークン前のコンマで区切ってよいか。0 は無効 [既定: 20]")
            .infotext(&["Comma padding backtrack"]).option("comma_padding_backtrack").group(Group::Rare).value("TOKENS");
        /// webui's "enable quantization in K samplers": timesteps are rounded to whole ones.
        #[serde(skip_serializing_if = "is_default")]
        quantize_timesteps: bool = false, setting("Round timesteps to whole ones", "タイムステップを整数に丸めます")
            .infotext(&["Quantize timesteps"]).option("enable_quantization").group(Group::Rare);
        /// Sigmas from 0.1 to 10.
        use_old_karras_scheduler_sigmas: bool = false, setting("Sigmas from 0.1 to 10, as very old images have", "0.1〜10 のシグマ (ごく古い画像のもの)")
            .infotext(&["Old karras sigmas"]).option("use_old_karras_scheduler_sigmas").flag("old-karras-sigmas", &[]).group(Group::Rare);
    }
}

settings! {
    /// What is said about a second pass at a larger size.
    pub struct HiresFields in hires, rows HIRES {
        /// Whether there is one; settled by whether anything asks for it, unless it is said.
        hires: Option<bool> = None, setting("Draw a second pass; --no-hires leaves out that of a pasted infotext", "第 2 パスを描きます。--no-hires は貼り付けた infotext の第 2 パスを省きます")
            .api(&["enable_hr"]).group(Group::Hires);
        /// Both sides times this.
        hires_upscale: Option<f64> = None, setting("Draw a second pass, both sides times this", "第 2 パスを描き、縦横をこの倍率にします")
            .infotext(&["Hires upscale"]).api(&["hr_scale"]).value("FACTOR").asks_hires().often();
        /// Pixels; 0 follows from the height.
        hires_resize_width: u32 = 0, setting("Width of the second pass; 0 follows from the height", "第 2 パスの幅。0 は高さから決まります")
            .infotext(&["Hires resize-1"]).api(&["hr_resize_x"]).value("PIXELS").asks_hires();
        /// Pixels; 0 follows from the width.
        hires_resize_height: u32 = 0, setting("Height of the second pass; 0 follows from the width", "第 2 パスの高さ。0 は幅から決まります")
            .infotext(&["Hires resize-2"]).api(&["hr_resize_y"]).value("PIXELS").asks_hires();
        /// 0 is as many as in the first pass.
        hires_steps: u32 = 0, setting("0 is as many as --steps [default: 0]", "0 は --steps と同じ [既定: 0]")
            .infotext(&["Hires steps"]).api(&["hr_second_pass_steps"]).value("N").asks_hires();
        /// How the picture is enlarged.
        hires_upscaler: String = "Latent".to_owned(), setting("How the picture is enlarged; `help` lists what there is [default: Latent]", "拡大の方法。`help` で一覧を表示します [既定: Latent]")
            .infotext(&["Hires upscaler"]).api(&["hr_upscaler"]).value("NAME").asks_hires().often();
        /// Side of the tiles that a pixel upscaler works on; 0 is the whole picture at once.
        esrgan_tile: u32 = 192, setting("Side of the tiles that a pixel upscaler works on; 0 takes the picture whole [default: 192]", "ピクセルのアップスケーラーが一度に処理するタイルの一辺。0 は分けません [既定: 192]")
            .infotext(&["ESRGAN tile"]).option("ESRGAN_tile").group(Group::Rare).limits(0.0, MAX_SIDE as f64).value("PIXELS");
        /// How far the tiles overlap.
        esrgan_tile_overlap: u32 = 8, setting("How far these tiles overlap [default: 8]", "タイルの重なり [既定: 8]")
            .infotext(&["ESRGAN tile overlap"]).option("ESRGAN_tile_overlap").group(Group::Rare).limits(0.0, MAX_SIDE as f64).value("PIXELS");
        /// `None` is that of the first pass.
        hires_sampler: Option<Sampler> = None, setting("[default: that of the first pass]", "[既定: 第 1 パスと同じ]")
            .infotext(&["Hires sampler"]).api(&["hr_sampler_name"]).none("Use same sampler").value("NAME").asks_hires();
        /// `None` is that of the first pass.
        hires_schedule_type: Option<ScheduleType> = None, setting("[default: that of the first pass]", "[既定: 第 1 パスと同じ]")
            .infotext(&["Hires schedule type"]).api(&["hr_scheduler"]).none("Use same scheduler").value("NAME").asks_hires();
        /// `None` is that of the first pass.
        hires_cfg_scale: Option<f64> = None, setting("How strongly the prompt is followed in the second pass [default: that of the first pass]", "第 2 パスでのプロンプトへの忠実さ [既定: 第 1 パスと同じ]")
            .infotext(&["Hires CFG Scale"]).api(&["hr_cfg"]).value("X").asks_hires();
        /// The first pass's, where it is 0.
        token_merging_ratio_hr: f64 = 0.0, setting("--token-merging-ratio of the second pass; 0 is that of the first", "第 2 パスの --token-merging-ratio。0 は第 1 パスと同じ")
            .infotext(&["Token merging ratio hr"]).option("token_merging_ratio_hr").limits(0.0, 0.9).group(Group::Rare).value("SHARE");
        /// Which of two passes switches to the refiner.
        hires_refiner_pass: RefinerPass = RefinerPass::Second, setting("Which of two passes switches to the refiner: first, second, both [default: second]", "2 パスのうち refiner に切り替えるパス: first、second、both [既定: second]")
            .infotext(&["Hires refiner"]).option("hires_fix_refiner_pass").group(Group::Rare).value("PASS");
        /// How far the second pass, or img2img, may go.
        denoising_strength: Option<f64> = None, setting("How far the second pass, or img2img, may go: 0 changes nothing, 1 keeps nothing [default: 0.7; img2img: 0.75]",
            "第 2 パスや img2img がどこまで変えてよいか。0 は変えない、1 は何も残さない [既定: 0.7、img2img では 0.75]")
            .infotext(&["Denoising strength"]).flag("denoising-strength", &["denoise", "strength"]).group(Group::Hires).limits(0.0, 1.0).value("0..1").often();
    }
}

settings! {
    /// What is said about a picture that is drawn over.
    pub struct PictureFields in picture, rows PICTURE {
        /// A file: PNG, JPEG or WebP.
        init: Option<String> = None, setting("The picture to draw over: PNG, JPEG or WebP", "下敷きにする画像。PNG・JPEG・WebP").flag("init", &["init-image", "init-img"]).group(Group::Picture).value("IMAGE").often();
        /// How it is brought to the size of the image.
        resize_mode: ResizeMode = ResizeMode::Just, setting("How the picture of --init is brought to the image's size: just (stretch), crop, fill, latent (stretch the latent) [default: just]",
            "--init の画像を出力の大きさに合わせる方法: just (伸縮)、crop (切り抜き)、fill (端で埋める)、latent (潜在画像を伸縮) [既定: just]")
            .infotext(&["Resize mode"]).group(Group::Picture).value("HOW");
        /// Which part of the picture is painted anew: a picture of its size, or `alpha`.
        mask: Option<String> = None, setting("A mask of the picture's size: what is white is painted anew. `alpha` paints anew what is transparent in --init",
            "画像と同じ大きさのマスク。白い部分を描き直します。`alpha` は --init の透明な部分を描き直します").flag("mask", &["mask-image", "inpaint"]).group(Group::Picture).value("IMAGE|alpha");
        /// Whether what is not masked is painted anew.
        inpainting_mask_invert: bool = false, setting("Paint anew what is not masked", "マスクされていない部分を描き直します")
            .infotext(&["Mask mode"]).words("Inpaint masked", "Inpaint not masked").flag("mask-invert", &["invert-mask"]).group(Group::Picture);
        /// How far the edge of the mask is blurred.
        mask_blur: u32 = 4, setting("How far the edge of the mask is blurred [default: 4]", "マスクの縁のぼかし [既定: 4]")
            .infotext(&["Mask blur"]).limits(0.0, MAX_BLUR as f64).group(Group::Picture).value("PIXELS");
        /// Across alone.
        mask_blur_x: Option<u32> = None, setting("The same across alone", "横方向だけのぼかし").infotext(&["Mask blur x"]).limits(0.0, MAX_BLUR as f64).group(Group::Picture).value("PIXELS");
        /// Down alone.
        mask_blur_y: Option<u32> = None, setting("The same down alone", "縦方向だけのぼかし").infotext(&["Mask blur y"]).limits(0.0, MAX_BLUR as f64).group(Group::Picture).value("PIXELS");
        /// Whether only the masked part is drawn.
        inpaint_full_res: bool = false, setting("Draw only the masked part, at the full size of the image", "マスクした部分だけを、出力の大きさいっぱいに描きます")
            .infotext(&["Inpaint area"]).words("Whole picture", "Only masked").flag("only-masked", &["inpaint-area"]).group(Group::Picture);
        /// How much of its surroundings is drawn with it.
        inpaint_full_res_padding: u32 = 32, setting("How much around the masked part is drawn with --only-masked [default: 32]", "--only-masked でまわりに含める幅 [既定: 32]")
            .infotext(&["Masked area padding"]).limits(0.0, MAX_SIDE as f64).flag("only-masked-padding", &["masked-padding"]).group(Group::Picture).value("PIXELS");
        /// What is there before it is painted anew.
        inpainting_fill: MaskedContent = MaskedContent::Original, setting("What is in the masked part at first: fill, original, latent noise, latent nothing [default: original]", "マスクした部分の初期状態: fill、original、latent noise、latent nothing [既定: original]")
            .infotext(&["Masked content"]).flag("masked-content", &["inpainting-fill"]).group(Group::Picture).value("WHAT");
        /// How much of the masked part an inpainting checkpoint does not see.
        inpainting_mask_weight: f64 = 1.0, setting("How much of the masked part an inpainting checkpoint does not see, 0 to 1 [default: 1]", "inpainting 用チェックポイントにマスク部分を隠す割合。0〜1 [既定: 1]")
            .infotext(&["Conditional mask weight"]).option("inpainting_mask_weight").limits(0.0, 1.0).flag("conditional-mask-weight", &["inpainting-mask-weight"]).group(Group::Picture).value("X");
        /// Whether the picture is laid over all that is not masked.
        overlay_inpaint: bool = true, setting("Lay the picture over all that is not masked [default: true]", "マスクされていない部分に元の画像を重ねます [既定: true]")
            .infotext(&["Overlay original"]).option("overlay_inpaint").group(Group::Picture);
        /// Whether the colours of the result are brought to those of the picture.
        img2img_color_correction: bool = false, setting("Bring the colours of the result to those of the picture", "結果の色を元の画像に合わせます")
            .infotext(&["Color correction"]).option("img2img_color_correction").flag("color-correction", &["img2img-color-correction"]).group(Group::Picture);
        /// That of the settings, where it is 0.
        token_merging_ratio_img2img: f64 = 0.0, setting("--token-merging-ratio over a picture; 0 is --token-merging-ratio itself", "下敷きの画像があるときの --token-merging-ratio。0 は --token-merging-ratio と同じ")
            .option("token_merging_ratio_img2img").limits(0.0, 0.9).group(Group::Picture).value("SHARE");
        /// webui's option "with img2img, do exactly the amount of steps the slider specifies".
        fix_steps: bool = false, setting("Run as many steps as --steps says, not only the share that the denoising strength leaves",
            "デノイズ強度の分だけでなく --steps のステップ数をすべて実行します").infotext(&["Fix steps"]).option("img2img_fix_steps").group(Group::Picture);
        /// The initial noise is multiplied with this.
        noise_multiplier: f64 = 1.0, setting("webui's \"noise multiplier for img2img\"", "webui の「img2img のノイズ倍率」")
            .infotext(&["Noise multiplier"]).option("initial_noise_multiplier").limits(0.0, 1000.0).group(Group::Picture).value("X");
    }
}

settings! {
    /// Names of the files a picture is made with.
    pub struct FileFields in files, rows FILES {
        /// A checkpoint: a file, or the name of one in a folder.
        model: Option<String> = None, setting("A checkpoint file, or the name of one in the webui folder [default: the embedded model]",
            "チェックポイントのファイル、または webui フォルダーにあるものの名前 [既定: 内蔵モデル]")
            .infotext(&["Model"]).api(&["sd_model"]).flag("model", &["ckpt", "checkpoint", "sd-model-checkpoint"]).group(Group::Files).value("FILE|NAME").often();
        /// A VAE: a file, the name of one, or `none`.
        vae: Option<String> = None, setting("A VAE file, or the name of one in the webui folder; `none` is the checkpoint's own [default: NAME.vae.safetensors beside the checkpoint, if there is one]",
            "VAE のファイル、または webui フォルダーにあるものの名前。`none` はチェックポイント自身の VAE [既定: チェックポイントの隣の NAME.vae.safetensors、あれば]")
            .infotext(&["VAE"]).api(&["sd_vae"]).group(Group::Files).value("FILE|NAME");
    }
}

/// Written by infotext's first fields, or with rules of its own.
fn in_front(_: &Settings, _: [&str; 2]) -> bool {
    false
}

fn unipc(settings: &Settings, _: [&str; 2]) -> bool {
    settings.sampler == Sampler::UniPc
}

fn is_switch(value: &f64) -> bool {
    *value == REFINER_SWITCH
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Two settings that are also written as one, `512x768`.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// As infotext has it.
    pub name: &'static str,
    /// The flag, without hyphens.
    pub flag: &'static str,
    /// Names of width and height.
    pub parts: [&'static str; 2],
}

/// All of them.
pub const SIZES: [Size; 3] = [
    Size { name: "Size", flag: "size", parts: ["width", "height"] },
    Size {
        name: "Seed resize from",
        flag: "seed-resize-from",
        parts: ["seed_resize_from_width", "seed_resize_from_height"],
    },
    Size { name: "Hires resize", flag: "hires-resize", parts: ["hires_resize_width", "hires_resize_height"] },
];

/// All settings, in the order in which they are shown.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    [TEXTS, COUNTS, SETTINGS, HIRES, PICTURE, FILES].into_iter().flatten()
}

/// The settings of a pass.
pub fn of_a_pass() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter()
}

/// The setting called `name` in plans.
pub fn named(name: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.name == name)
}

/// The setting that anybody calls `name`: case, spaces, hyphens and underscores do not count.
pub fn find(name: &str) -> Option<&'static Setting> {
    static NAMES: LazyLock<HashMap<String, &'static Setting>> = LazyLock::new(|| {
        let mut names = HashMap::new();
        // A setting's own name is its own, whatever others are called elsewhere.
        for setting in all() {
            names.insert(plain(setting.name), setting);
        }
        for (setting, name) in all().flat_map(|setting| setting.names().map(move |name| (setting, name))) {
            names.entry(plain(name)).or_insert(setting);
        }
        names
    });
    NAMES.get(&plain(name)).copied()
}

/// The two settings that anybody calls `name`.
pub fn find_size(name: &str) -> Option<Size> {
    SIZES.into_iter().find(|size| plain(size.name) == plain(name) || plain(size.flag) == plain(name))
}

/// The setting that infotext calls `key`.
pub fn of_infotext(key: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.infotext.contains(&key))
}

/// The setting that webui's `config.json` calls `name`.
pub fn of_option(name: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.option == Some(name))
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, ' ' | '-' | '_')).flat_map(char::to_lowercase).collect()
}

impl Settings {
    /// Steps that prompt schedules are built for: samplers with two model calls per step count both.
    pub fn schedule_steps(&self) -> u32 {
        if self.sampler.is_second_order() { self.steps * 2 } else { self.steps }
    }

    /// Height and width of the latent, one eighth of the image's.
    pub fn latent_size(&self) -> (usize, usize) {
        (self.height as usize / 8, self.width as usize / 8)
    }

    /// The options of UniPC.
    pub fn unipc(&self) -> UniPcOptions {
        UniPcOptions {
            variant: self.unipc_variant,
            skip_type: self.unipc_skip_type,
            order: self.unipc_order,
            lower_order_final: self.unipc_lower_order_final,
        }
    }

    /// The same with these options of UniPC.
    pub fn with_unipc(self, unipc: UniPcOptions) -> Self {
        Settings {
            unipc_variant: unipc.variant,
            unipc_skip_type: unipc.skip_type,
            unipc_order: unipc.order,
            unipc_lower_order_final: unipc.lower_order_final,
            ..self
        }
    }
}

impl Wanted {
    /// How many images the prompt has.
    pub fn images(&self) -> u64 {
        u64::from(self.counts.n_iter) * u64::from(self.counts.batch_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_name_leads_to_one_setting() {
        let mut seen: HashMap<String, &str> = HashMap::new();
        for setting in all() {
            for name in setting.names() {
                let before = seen.insert(plain(name), setting.name);
                assert!(before.is_none_or(|b| b == setting.name), "{name}: {before:?} and {}", setting.name);
                assert_eq!(find(name), Some(setting), "{name}");
            }
            assert!(
                !setting.help().is_empty() && !setting.help().in_language(crate::diagnostic::Language::Ja).is_empty()
            );
        }
        for size in SIZES {
            assert!(size.parts.iter().all(|part| named(part).is_some()), "{size:?}");
        }
        for (name, meant) in
            [("Negative Prompt", "negative_prompt"), ("--cfg-scale", "cfg_scale"), ("SamplerName", "sampler")]
        {
            assert_eq!(find(name).map(|s| s.name), Some(meant));
        }
    }

    #[test]
    fn every_row_reads_what_it_writes() {
        let mut wanted = Wanted::default();
        for setting in all() {
            let value = (setting.get)(&wanted);
            assert!((setting.set)(&mut wanted, &value), "{}", setting.name);
            assert_eq!((setting.get)(&wanted), value, "{}", setting.name);
            if !value.is_null() {
                assert_eq!(setting.accept(&value), Ok(value), "{}", setting.name);
            }
        }
        assert_eq!(wanted, Wanted::default());
        let settings = serde_json::to_value(Settings::default()).unwrap();
        for (name, value) in settings.as_object().unwrap() {
            let row = (named(name).unwrap().get)(&wanted);
            assert!(row == *value || !row.is_string() || json!(row).is_string(), "{name}: {row} {value}");
        }
    }
}
