//! Settings that were asked for and that nothing uses: each acts only together with something that is not there.

use crate::diagnostic::{Diagnostic, Text, code};
use crate::plan::settings::{Group, Setting};
use crate::plan::{Patch, Sampler, ScheduleType, Wanted};
use crate::say;

/// What a request draws over.
#[derive(Debug, Clone, Copy)]
pub struct Over {
    pub picture: bool,
    pub mask: bool,
}

/// Settings that need something.
struct Need {
    /// Whether it is not there.
    is_missing: fn(&Wanted, Over) -> bool,
    /// Whether a setting needs it.
    needs: fn(&Setting) -> bool,
    /// The settings as a sentence, and how to get what they need.
    said: fn(&str) -> (Text, Text),
}

const NEEDS: [Need; 9] = [
    Need {
        is_missing: |_, over| !over.picture,
        // webui's own configuration may have options for pictures; only what a text or the caller says is meant.
        needs: |setting| setting.group == Group::Picture && setting.option.is_none(),
        said: |names| {
            (
                say!(
                    "without a picture to draw over these have no effect: {names}",
                    "下敷きの画像がないので、次の設定に効果はありません: {names}"
                ),
                say!("`lbw img2img --init IMAGE` draws over one", "`lbw img2img --init 画像` で画像の上に描けます"),
            )
        },
    },
    Need {
        is_missing: |_, over| over.picture && !over.mask,
        needs: |setting| {
            let name = setting.name;
            setting.option.is_none()
                && (name.starts_with("mask_blur")
                    || ["inpainting_mask_invert", "inpaint_full_res", "inpaint_full_res_padding", "inpainting_fill"]
                        .contains(&name))
        },
        said: |names| {
            (
                say!(
                    "without a mask these have no effect, and the whole picture is drawn over: {names}",
                    "マスクがないので次の設定に効果はなく、画像全体に描きます: {names}"
                ),
                say!(
                    "`--mask IMAGE` is one, white where to draw; `--mask alpha` takes the transparent part",
                    "`--mask 画像` で描き直す部分を白くした画像を、`--mask alpha` で透明な部分を指定できます"
                ),
            )
        },
    },
    Need {
        is_missing: |wanted, over| over.mask && !wanted.picture.inpaint_full_res,
        needs: |setting| setting.name == "inpaint_full_res_padding",
        said: |names| {
            (
                say!(
                    "only where nothing but the masked part is drawn this has an effect: {names}",
                    "マスクした部分だけを描くときにしか効果がありません: {names}"
                ),
                say!("`--only-masked` draws it so", "`--only-masked` でそうなります"),
            )
        },
    },
    Need {
        is_missing: |wanted, over| !over.picture && wanted.hires.hires.is_none(),
        needs: |setting| ["hires_prompt", "hires_negative_prompt"].contains(&setting.name),
        said: |names| {
            (
                say!(
                    "without a second pass these have no effect: {names}",
                    "第 2 パスがないので、次の設定に効果はありません: {names}"
                ),
                say!("--hires-upscale asks for one", "第 2 パスは --hires-upscale で描けます"),
            )
        },
    },
    Need {
        is_missing: |wanted, _| wanted.settings.refiner.is_none(),
        needs: |setting| ["refiner_switch_at", "refiner_switch_by_sample_steps"].contains(&setting.name),
        said: |names| {
            (
                say!(
                    "without a refiner nothing takes over, and this has no effect: {names}",
                    "refiner がなく切り替わらないので、効果がありません: {names}"
                ),
                say!("`--refiner FILE` names one", "`--refiner ファイル` で指定できます"),
            )
        },
    },
    Need {
        is_missing: |wanted, _| wanted.settings.subseed_strength == 0.0,
        needs: |setting| setting.name == "subseed",
        said: |names| {
            (
                say!(
                    "a variation of strength 0 is none, and this has no effect: {names}",
                    "バリエーションの強さが 0 なので、効果がありません: {names}"
                ),
                say!("give --subseed-strength, from 0 to 1", "--subseed-strength を 0〜1 で指定してください"),
            )
        },
    },
    Need {
        is_missing: |wanted, over| !over.picture && wanted.hires.resolve().is_none(),
        needs: |setting| ["extra_noise", "hires_refiner_pass"].contains(&setting.name),
        said: |names| {
            (
                say!(
                    "without a second pass or a picture to draw over these have no effect: {names}",
                    "第 2 パスも下敷きの画像もないので、次の設定に効果はありません: {names}"
                ),
                say!("--hires-upscale asks for a second pass", "第 2 パスは --hires-upscale で描けます"),
            )
        },
    },
    Need {
        is_missing: |wanted, _| {
            ![Some(wanted.settings.sampler), wanted.hires.hires_sampler].contains(&Some(Sampler::UniPc))
        },
        needs: |setting| setting.name.starts_with("unipc_"),
        said: |names| {
            (
                say!("only the sampler UniPC uses these: {names}", "サンプラー UniPC でしか効果がありません: {names}"),
                say!("`--sampler UniPC` chooses it", "`--sampler UniPC` で選べます"),
            )
        },
    },
    Need {
        is_missing: |wanted, _| {
            ![Some(wanted.settings.schedule_type), wanted.hires.hires_schedule_type].contains(&Some(ScheduleType::Beta))
        },
        needs: |setting| ["beta_alpha", "beta_beta"].contains(&setting.name),
        said: |names| {
            (
                say!(
                    "only the schedule type Beta uses these: {names}",
                    "スケジュールタイプ Beta でしか効果がありません: {names}"
                ),
                say!("`--schedule-type Beta` chooses it", "`--schedule-type Beta` で選べます"),
            )
        },
    },
];

/// What is to be said of `patch`, which is what a text and the caller say, as far as `wanted` has no use for it.
pub fn without_effect(patch: &Patch, wanted: &Wanted, over: Over) -> Vec<Diagnostic> {
    let default = Wanted::default();
    let is_asked = |need: &Need, setting: &Setting, value: &serde_json::Value| {
        // A seed of -1 is one that is left open.
        let is_open = value.as_i64() == Some(-1);
        (need.needs)(setting) && (setting.get)(&default) != *value && !is_open
    };
    let missing = NEEDS.iter().filter(|need| (need.is_missing)(wanted, over));
    let said = missing.filter_map(|need| {
        let asked = patch.iter().filter(|(setting, value)| is_asked(need, setting, value));
        let names: Vec<&str> = asked.map(|(s, _)| s.infotext.first().copied().unwrap_or(s.name)).collect();
        (!names.is_empty()).then(|| (need.said)(&names.join(", ")))
    });
    let strength = wanted.hires.denoising_strength.is_some() && !over.picture && wanted.hires.resolve().is_none();
    let all = said.chain(strength.then(strength_alone));
    all.map(|(message, help)| Diagnostic::new(code::WITHOUT_EFFECT, message).help(help)).collect()
}

fn strength_alone() -> (Text, Text) {
    (
        say!(
            "a denoising strength without a second pass or a picture has no effect",
            "第 2 パスも下敷きの画像もないので、デノイズ強度に効果はありません"
        ),
        say!(
            "--hires-upscale asks for a second pass, and `lbw img2img --init IMAGE` draws over a picture",
            "第 2 パスは --hires-upscale で、画像の上に描くには `lbw img2img --init 画像` を使います"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Over = Over { picture: false, mask: false };

    fn said(patch: &Patch, over: Over) -> Vec<String> {
        let mut wanted = Wanted::default();
        patch.apply(&mut wanted);
        without_effect(patch, &wanted, over).into_iter().map(|found| found.message.to_string()).collect()
    }

    #[test]
    fn settings_of_pictures_are_named() {
        let mut patch = Patch::default().and("mask_blur", 8).and("inpainting_fill", "fill").and("steps", 3);
        let found = said(&patch, NOTHING);
        assert!(
            found[0].contains("picture to draw over") && found[0].contains("Mask blur, Masked content"),
            "{found:?}"
        );
        let found = said(&patch, Over { picture: true, mask: false });
        assert!(found[0].contains("without a mask") && found[0].contains("Mask blur, Masked content"), "{found:?}");
        assert!(said(&patch, Over { picture: true, mask: true }).is_empty());
        patch.remove("mask_blur");
        patch.put_named("inpainting_fill", "original");
        assert!(said(&patch, NOTHING).is_empty());
    }

    #[test]
    fn settings_that_need_others() {
        for (name, value, with, needed) in [
            ("hires_prompt", serde_json::Value::from("a"), "hires_upscale", 2.0.into()),
            ("refiner_switch_at", serde_json::Value::from(0.5), "refiner", "b".into()),
            ("unipc_order", 2.into(), "sampler", "UniPC".into()),
            ("beta_alpha", 0.9.into(), "schedule_type", "Beta".into()),
            ("extra_noise", 0.5.into(), "hires_upscale", 2.0.into()),
            ("subseed", 5.into(), "subseed_strength", serde_json::Value::from(0.5)),
        ] {
            let patch = Patch::default().and(name, value);
            assert_eq!(said(&patch, NOTHING).len(), 1, "{name}");
            let patch = patch.and(with, needed);
            assert_eq!(said(&patch, NOTHING), [""; 0], "{name}");
        }
        // The second pass is left out on purpose, the seed left open, the value that which stands there anyway.
        for patch in [
            Patch::default().and("hires_prompt", "a").and("hires", false),
            Patch::default().and("subseed", -1),
            Patch::default().and("refiner_switch_at", 0.8),
        ] {
            assert_eq!(said(&patch, NOTHING), [""; 0]);
        }
        let padding = Patch::default().and("inpaint_full_res_padding", 8);
        let masked = Over { picture: true, mask: true };
        assert_eq!((said(&padding, masked).len(), said(&padding.and("inpaint_full_res", true), masked).len()), (1, 0));
    }
}
