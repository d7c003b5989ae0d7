//! Names of samplers and noise schedules: labels, aliases, and what "Automatic" means for each.

use serde::{Deserialize, Serialize};

/// webui's samplers, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sampler {
    #[serde(rename = "DPM++ 2M")]
    DpmPp2M,
    #[serde(rename = "DPM++ SDE")]
    DpmPpSde,
    #[serde(rename = "DPM++ 2M SDE")]
    DpmPp2MSde,
    #[serde(rename = "DPM++ 2M SDE Heun")]
    DpmPp2MSdeHeun,
    #[serde(rename = "DPM++ 2S a")]
    DpmPp2SA,
    #[serde(rename = "DPM++ 3M SDE")]
    DpmPp3MSde,
    #[serde(rename = "Euler a")]
    EulerA,
    #[serde(rename = "Euler")]
    Euler,
    #[serde(rename = "LMS")]
    Lms,
    #[serde(rename = "Heun")]
    Heun,
    #[serde(rename = "DPM2")]
    Dpm2,
    #[serde(rename = "DPM2 a")]
    Dpm2A,
    #[serde(rename = "DPM fast")]
    DpmFast,
    #[serde(rename = "DPM adaptive")]
    DpmAdaptive,
    #[serde(rename = "Restart")]
    Restart,
    #[serde(rename = "LCM")]
    Lcm,
    #[serde(rename = "DDIM")]
    Ddim,
    #[serde(rename = "DDIM CFG++")]
    DdimCfgPp,
    #[serde(rename = "PLMS")]
    Plms,
    #[serde(rename = "UniPC")]
    UniPc,
}

impl Sampler {
    #[rustfmt::skip]
    pub const ALL: [Sampler; 20] = [
        Sampler::DpmPp2M, Sampler::DpmPpSde, Sampler::DpmPp2MSde, Sampler::DpmPp2MSdeHeun, Sampler::DpmPp2SA,
        Sampler::DpmPp3MSde, Sampler::EulerA, Sampler::Euler, Sampler::Lms, Sampler::Heun, Sampler::Dpm2,
        Sampler::Dpm2A, Sampler::DpmFast, Sampler::DpmAdaptive, Sampler::Restart, Sampler::Lcm, Sampler::Ddim,
        Sampler::DdimCfgPp, Sampler::Plms, Sampler::UniPc,
    ];

    /// The name webui shows.
    pub fn label(self) -> &'static str {
        match self {
            Sampler::DpmPp2M => "DPM++ 2M",
            Sampler::DpmPpSde => "DPM++ SDE",
            Sampler::DpmPp2MSde => "DPM++ 2M SDE",
            Sampler::DpmPp2MSdeHeun => "DPM++ 2M SDE Heun",
            Sampler::DpmPp2SA => "DPM++ 2S a",
            Sampler::DpmPp3MSde => "DPM++ 3M SDE",
            Sampler::EulerA => "Euler a",
            Sampler::Euler => "Euler",
            Sampler::Lms => "LMS",
            Sampler::Heun => "Heun",
            Sampler::Dpm2 => "DPM2",
            Sampler::Dpm2A => "DPM2 a",
            Sampler::DpmFast => "DPM fast",
            Sampler::DpmAdaptive => "DPM adaptive",
            Sampler::Restart => "Restart",
            Sampler::Lcm => "LCM",
            Sampler::Ddim => "DDIM",
            Sampler::DdimCfgPp => "DDIM CFG++",
            Sampler::Plms => "PLMS",
            Sampler::UniPc => "UniPC",
        }
    }

    /// Other names webui accepts, all lower case.
    pub fn aliases(self) -> &'static [&'static str] {
        match self {
            Sampler::DpmPp2M => &["k_dpmpp_2m"],
            Sampler::DpmPpSde => &["k_dpmpp_sde"],
            Sampler::DpmPp2MSde => &["k_dpmpp_2m_sde"],
            Sampler::DpmPp2MSdeHeun => &["k_dpmpp_2m_sde_heun"],
            Sampler::DpmPp2SA => &["k_dpmpp_2s_a"],
            Sampler::DpmPp3MSde => &["k_dpmpp_3m_sde"],
            Sampler::EulerA => &["k_euler_a", "k_euler_ancestral"],
            Sampler::Euler => &["k_euler"],
            Sampler::Lms => &["k_lms"],
            Sampler::Heun => &["k_heun"],
            Sampler::Dpm2 => &["k_dpm_2"],
            Sampler::Dpm2A => &["k_dpm_2_a"],
            Sampler::DpmFast => &["k_dpm_fast"],
            Sampler::DpmAdaptive => &["k_dpm_ad"],
            Sampler::Restart => &["restart"],
            Sampler::Lcm => &["k_lcm"],
            Sampler::Ddim => &["ddim"],
            Sampler::DdimCfgPp => &["ddim_cfgpp"],
            Sampler::Plms => &["plms"],
            Sampler::UniPc => &["unipc"],
        }
    }

    /// The sampler with this label or alias, whatever the case.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        Self::ALL.into_iter().find(|s| s.label().to_lowercase() == name || s.aliases().contains(&name.as_str()))
    }

    /// The schedule that "Automatic" stands for; `None` where the model's own (uniform) schedule is used.
    pub fn default_schedule(self) -> Option<ScheduleType> {
        use Sampler::*;
        match self {
            DpmPp2M | DpmPpSde | DpmPp2SA | Dpm2 | Dpm2A | Restart => Some(ScheduleType::Karras),
            DpmPp2MSde | DpmPp2MSdeHeun | DpmPp3MSde => Some(ScheduleType::Exponential),
            _ => None,
        }
    }

    /// Two model calls per step: prompt schedules are built for twice the steps.
    pub fn is_second_order(self) -> bool {
        use Sampler::*;
        matches!(self, DpmPpSde | DpmPp2SA | Heun | Dpm2 | Dpm2A | Restart)
    }

    /// The last step that is reported while the model is called, in a pass of so many steps: the first call of each step sees the
    /// report of the one before, the second call its own.
    pub fn last_reported_step(self, steps: u32) -> i64 {
        i64::from(steps.saturating_sub(if self.is_second_order() { 1 } else { 2 }))
    }

    /// Works on integer timesteps and raw noise predictions instead of sigmas.
    pub fn is_timestep(self) -> bool {
        matches!(self, Sampler::Ddim | Sampler::DdimCfgPp | Sampler::Plms | Sampler::UniPc)
    }

    /// Whether this is DDIM, whose eta webui keeps apart.
    pub fn is_ddim(self) -> bool {
        matches!(self, Sampler::Ddim | Sampler::DdimCfgPp)
    }

    /// The eta that is used where none is given: 0 for samplers over timesteps, 1 for all others.
    pub fn default_eta(self) -> f64 {
        if self.is_timestep() { 0.0 } else { 1.0 }
    }

    /// Moves along the unconditional prediction, not along the guided one alone.
    pub fn uses_uncond(self) -> bool {
        self == Sampler::DdimCfgPp
    }

    /// Flagged as using the "eta noise seed delta", which infotext then shows.
    pub fn uses_ensd(self) -> bool {
        use Sampler::*;
        matches!(self, DpmPp2SA | EulerA | Dpm2A | DpmFast | DpmAdaptive)
    }

    /// One step more is computed and the next-to-last sigma dropped.
    pub fn discards_next_to_last_sigma(self) -> bool {
        matches!(self, Sampler::Dpm2 | Sampler::Dpm2A | Sampler::DpmPp3MSde)
    }
}

/// webui's noise schedules, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ScheduleType {
    Automatic,
    Uniform,
    Karras,
    Exponential,
    Polyexponential,
    #[serde(rename = "SGM Uniform")]
    SgmUniform,
    #[serde(rename = "KL Optimal")]
    KlOptimal,
    #[serde(rename = "Align Your Steps")]
    AlignYourSteps,
    Simple,
    Normal,
    #[serde(rename = "DDIM")]
    Ddim,
    Beta,
}

impl ScheduleType {
    #[rustfmt::skip]
    pub const ALL: [ScheduleType; 12] = [
        ScheduleType::Automatic, ScheduleType::Uniform, ScheduleType::Karras, ScheduleType::Exponential,
        ScheduleType::Polyexponential, ScheduleType::SgmUniform, ScheduleType::KlOptimal,
        ScheduleType::AlignYourSteps, ScheduleType::Simple, ScheduleType::Normal, ScheduleType::Ddim,
        ScheduleType::Beta,
    ];

    /// The name webui shows.
    pub fn label(self) -> &'static str {
        self.all_names()[0]
    }

    /// Label, internal name and aliases.
    fn all_names(self) -> &'static [&'static str] {
        match self {
            ScheduleType::Automatic => &["Automatic", "automatic"],
            ScheduleType::Uniform => &["Uniform", "uniform"],
            ScheduleType::Karras => &["Karras", "karras"],
            ScheduleType::Exponential => &["Exponential", "exponential"],
            ScheduleType::Polyexponential => &["Polyexponential", "polyexponential"],
            ScheduleType::SgmUniform => &["SGM Uniform", "sgm_uniform", "SGMUniform"],
            ScheduleType::KlOptimal => &["KL Optimal", "kl_optimal"],
            ScheduleType::AlignYourSteps => &["Align Your Steps", "align_your_steps"],
            ScheduleType::Simple => &["Simple", "simple"],
            ScheduleType::Normal => &["Normal", "normal"],
            ScheduleType::Ddim => &["DDIM", "ddim"],
            ScheduleType::Beta => &["Beta", "beta"],
        }
    }

    /// Label, internal name and aliases, for matching text.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.all_names().iter().copied()
    }

    /// The schedule with this label, name or alias, whatever the case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.names().any(|n| n.eq_ignore_ascii_case(name)))
    }
}
