//! Samplers and schedules under the names that other programs give them.

use super::{Sampler, ScheduleType};

/// Names that do not follow from webui's by the rules of [`plain`]: diffusers' class names, kohya's and NovelAI's words.
const OTHER_SAMPLERS: [(&str, Sampler); 9] = [
    ("dpmsolver", Sampler::DpmPp2M),
    ("dpmsolverpp", Sampler::DpmPp2M),
    ("dpmsolversde", Sampler::DpmPpSde),
    ("dpmsolverppsde", Sampler::DpmPpSde),
    ("dpmsde", Sampler::DpmPpSde),
    ("dpmad", Sampler::DpmAdaptive),
    ("pndm", Sampler::Plms),
    ("dpmpp2mheunsde", Sampler::DpmPp2MSdeHeun),
    ("unipcbh1", Sampler::UniPc),
];

/// Names of schedules that end a sampler's name, or stand alone.
const OTHER_SCHEDULES: [(&str, ScheduleType); 7] = [
    ("ka", ScheduleType::Karras),
    ("k", ScheduleType::Karras),
    ("exp", ScheduleType::Exponential),
    ("ays", ScheduleType::AlignYourSteps),
    ("ddimuniform", ScheduleType::Ddim),
    ("sgm", ScheduleType::SgmUniform),
    ("polyexp", ScheduleType::Polyexponential),
];

/// What other programs add to the names of samplers that do something else at each step.
const ADDITIONS: [&str; 8] = ["cfgpp", "smea", "dy", "max", "negative", "flowmatch", "edm", "rf"];

/// Samplers of other programs by how their plain names begin, and the nearest that there is: the same order and kind of noise.
const KIN: [(&str, Sampler); 18] = [
    ("heunpp", Sampler::Heun),
    ("heun2", Sampler::Heun),
    ("ipndm", Sampler::Plms),
    ("deis", Sampler::DpmPp2M),
    ("tcd", Sampler::Lcm),
    ("ddpm", Sampler::EulerA),
    ("resa", Sampler::DpmPp2SA),
    ("res", Sampler::DpmPp2M),
    ("gradientestimation", Sampler::Euler),
    ("ersde", Sampler::DpmPp3MSde),
    ("seeds", Sampler::DpmPpSde),
    ("sasolver", Sampler::DpmPp2MSde),
    ("unipcbh2", Sampler::UniPc),
    ("dpmpp1s", Sampler::Euler),
    ("dpmpp2s", Sampler::DpmPp2SA),
    ("dpmpp3m", Sampler::DpmPp3MSde),
    ("expheun", Sampler::Heun),
    ("kohaku", Sampler::EulerA),
];

impl Sampler {
    /// The sampler that `name` means, and the schedule in it: webui's names and aliases, its names from before 1.9
    /// (`DPM++ 2M Karras`), and those of ComfyUI, diffusers, kohya's scripts and their kin (`dpmpp_2m_karras`,
    /// `euler_ancestral`, `EulerAncestralDiscreteScheduler`).
    pub fn from_any_name(name: &str) -> Option<(Self, Option<ScheduleType>)> {
        if let Some(sampler) = Self::from_name(name.trim()) {
            return Some((sampler, None));
        }
        let name = plain(name);
        if let Some(sampler) = from_plain(&name) {
            return Some((sampler, None));
        }
        schedule_names().find_map(|(suffix, schedule)| {
            let sampler = from_plain(name.strip_suffix(suffix.as_str())?)?;
            Some((sampler, Some(schedule)))
        })
    }

    /// The label that is most like `name`, or that of the sampler nearest to one of another program, if there is one.
    pub fn nearest(name: &str) -> Option<&'static str> {
        let plain = plain(name);
        let kin = KIN.iter().find(|(other, _)| plain.starts_with(other)).map(|(_, sampler)| *sampler);
        let bare = || from_plain(&ADDITIONS.iter().fold(plain.clone(), |name, addition| name.replace(addition, "")));
        bare().or(kin).map(Sampler::label).or_else(|| nearest(name, Self::ALL.iter().map(|s| s.label())))
    }
}

impl ScheduleType {
    /// The schedule that `name` means, also as other programs write it (`sgm_uniform`, `ddim_uniform`, `AYS`).
    pub fn from_any_name(name: &str) -> Option<Self> {
        let name = name.trim();
        Self::from_name(name).or_else(|| {
            let name = plain(name);
            schedule_names().find(|(known, _)| *known == name).map(|(_, schedule)| schedule)
        })
    }

    /// The label that is most like `name`, if one is like it at all.
    pub fn nearest(name: &str) -> Option<&'static str> {
        nearest(name, Self::ALL.iter().map(|s| s.label()))
    }
}

/// Longer names first, so that none is taken for the end of another.
fn schedule_names() -> impl Iterator<Item = (String, ScheduleType)> {
    let own = ScheduleType::ALL.into_iter().map(|s| (plain(s.label()), s));
    let mut names: Vec<_> = own.chain(OTHER_SCHEDULES.map(|(n, s)| (n.to_owned(), s))).collect();
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    names.into_iter()
}

fn from_plain(name: &str) -> Option<Sampler> {
    let other = || OTHER_SAMPLERS.iter().find(|(n, _)| *n == name).map(|(_, s)| *s);
    Sampler::ALL.into_iter().find(|s| plain(s.label()) == name).or_else(other)
}

/// `name` without what programs spell differently: case, spaces and underscores, `++`, the word for ancestral, k-diffusion's
/// prefix, where the noise is drawn, and the words of diffusers' classes.
fn plain(name: &str) -> String {
    let letters: String = name.to_lowercase().replace('+', "p").chars().filter(|c| c.is_alphanumeric()).collect();
    let mut name = letters.as_str();
    for prefix in ["sample", "k"] {
        name = name.strip_prefix(prefix).filter(|rest| rest.starts_with(['e', 'l', 'h', 'd'])).unwrap_or(name);
    }
    let fillers = [("scheduler", ""), ("discrete", ""), ("multistep", ""), ("gpu", ""), ("ancestral", "a")];
    fillers.iter().fold(name.to_owned(), |name, (from, to)| name.replace(from, to))
}

fn nearest(name: &str, labels: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let wanted = plain(name);
    let likeness = |label: &&str| strsim::normalized_damerau_levenshtein(&plain(label), &wanted);
    labels.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).filter(|label| likeness(label) > 0.6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_programs() {
        use Sampler::*;
        use ScheduleType as S;
        #[rustfmt::skip]
        let table = [
            // webui, now and before 1.9
            ("Euler a", EulerA, None), ("k_euler_a", EulerA, None), ("k_euler_ancestral", EulerA, None),
            ("DPM++ 2M Karras", DpmPp2M, Some(S::Karras)), ("DPM++ 2M SDE Exponential", DpmPp2MSde, Some(S::Exponential)),
            ("DPM++ 2M SDE Heun Karras", DpmPp2MSdeHeun, Some(S::Karras)), ("DPM2 a Karras", Dpm2A, Some(S::Karras)),
            ("k_dpmpp_2m_ka", DpmPp2M, Some(S::Karras)), ("k_dpmpp_2s_a_ka", DpmPp2SA, Some(S::Karras)),
            ("k_dpmpp_2m_sde_exp", DpmPp2MSde, Some(S::Exponential)), ("k_dpm_ad", DpmAdaptive, None),
            ("DPM++ 2M SGM Uniform", DpmPp2M, Some(S::SgmUniform)), ("Euler a Automatic", EulerA, Some(S::Automatic)),
            // ComfyUI
            ("euler_ancestral", EulerA, None), ("dpmpp_2m_karras", DpmPp2M, Some(S::Karras)), ("dpm_2_ancestral", Dpm2A, None),
            ("dpmpp_2s_ancestral", DpmPp2SA, None), ("dpmpp_2m_sde_gpu", DpmPp2MSde, None), ("uni_pc", UniPc, None),
            ("dpmpp_3m_sde_gpu_exponential", DpmPp3MSde, Some(S::Exponential)), ("dpm_adaptive", DpmAdaptive, None), ("lms", Lms, None),
            ("euler_ddim_uniform", Euler, Some(S::Ddim)), ("euler normal", Euler, Some(S::Normal)),
            // diffusers
            ("EulerAncestralDiscreteScheduler", EulerA, None), ("EulerDiscreteScheduler", Euler, None),
            ("DPMSolverMultistepScheduler", DpmPp2M, None), ("DPMSolverSDEScheduler", DpmPpSde, None),
            ("KDPM2AncestralDiscreteScheduler", Dpm2A, None), ("KDPM2DiscreteScheduler", Dpm2, None),
            ("UniPCMultistepScheduler", UniPc, None), ("PNDMScheduler", Plms, None), ("HeunDiscreteScheduler", Heun, None),
            ("LMSDiscreteScheduler", Lms, None), ("DDIMScheduler", Ddim, None), ("LCMScheduler", Lcm, None),
            // kohya's scripts, InvokeAI, NovelAI, k-diffusion
            ("dpmsolver++", DpmPp2M, None), ("k_dpm_2_a", Dpm2A, None), ("dpmpp_2m_k", DpmPp2M, Some(S::Karras)),
            ("euler_k", Euler, Some(S::Karras)), ("k_dpmpp_2s_ancestral", DpmPp2SA, None),
            ("sample_dpmpp_2m_sde", DpmPp2MSde, None), ("kdpm_2_a", Dpm2A, None),
        ];
        for (name, sampler, schedule) in table {
            assert_eq!(Sampler::from_any_name(name), Some((sampler, schedule)), "{name}");
        }
        for name in ["", "k", "karras", "euler b", "deis", "uni_pc_bh2", "DPM++ 2M CFG++", "heunpp2", "オイラー"] {
            assert_eq!(Sampler::from_any_name(name), None, "{name}");
        }
    }

    #[test]
    fn names_of_schedules() {
        for schedule in ScheduleType::ALL {
            assert_eq!(ScheduleType::from_any_name(&schedule.label().to_uppercase()), Some(schedule));
        }
        for (name, schedule) in [
            ("sgm_uniform", ScheduleType::SgmUniform),
            ("ddim_uniform", ScheduleType::Ddim),
            ("align-your-steps", ScheduleType::AlignYourSteps),
            ("AYS", ScheduleType::AlignYourSteps),
            ("kl_optimal", ScheduleType::KlOptimal),
        ] {
            assert_eq!(ScheduleType::from_any_name(name), Some(schedule), "{name}");
        }
        assert_eq!(ScheduleType::from_any_name("linear_quadratic"), None);
    }

    #[test]
    fn slips_are_recognised() {
        assert_eq!(Sampler::nearest("Eular a"), Some("Euler a"));
        assert_eq!(Sampler::nearest("dpm++2mm"), Some("DPM++ 2M"));
        assert_eq!(ScheduleType::nearest("karas"), Some("Karras"));
        assert_eq!(Sampler::nearest("zzz"), None);
        // Those of other programs lead to their kin.
        for (name, nearest) in [
            ("Euler a CFG++", "Euler a"),
            ("euler_ancestral_cfg_pp", "Euler a"),
            ("DPM++ 2M CFG++", "DPM++ 2M"),
            ("Euler SMEA Dy", "Euler"),
            ("Euler Max", "Euler"),
            ("HeunPP2", "Heun"),
            ("deis", "DPM++ 2M"),
            ("TCD", "LCM"),
            ("ddpm", "Euler a"),
            ("res_multistep_ancestral", "DPM++ 2S a"),
            ("uni_pc_bh2", "UniPC"),
            ("ipndm_v", "PLMS"),
        ] {
            assert_eq!(Sampler::nearest(name), Some(nearest), "{name}");
        }
    }
}
