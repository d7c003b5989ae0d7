//! Other hosts that draw.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use super::{EngineArgs, PlaceArgs};
use crate::app::via::{Hosts, Via, Wish};
use crate::app::{self, Caller, Renderer, Session, Studios};
use crate::cli::language::tell;

/// Other hosts that draw.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = tell("Engine", "実行方法"))]
pub struct ViaArgs {
    #[arg(long, value_name = "URL", hide_short_help = true, value_hint = ValueHint::Url,
        help = tell("Let another host draw: webui, Forge, SD.Next, ComfyUI, sd.cpp's server or lbw serve; several share the work",
            "ほかのホスト (webui、Forge、SD.Next、ComfyUI、sd.cpp のサーバー、lbw serve) に描かせます。複数なら分担します"))]
    pub via: Vec<String>,
    #[arg(long, value_name = "DIR", hide_short_help = true, value_hint = ValueHint::DirPath, requires = "via",
        help = tell("The host's folder of LoRAs: files it lacks, and a file for each block where it knows no block weights, are put there",
            "ホストの LoRA フォルダー。足りないファイルや、階層別の重みのないホストのためのブロックごとのファイルを置きます"))]
    pub via_lora_dir: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = ViaFamily::Sdxl, hide_short_help = true,
        help = tell("The family of the host's checkpoint, which it does not tell", "ホストのチェックポイントの系統 (ホストは教えません)"))]
    pub via_family: ViaFamily,
    #[arg(long, value_name = "SECONDS", default_value_t = 600, hide_short_help = true,
        value_parser = clap::value_parser!(u64).range(1..=86_400),
        help = tell("How long a host may take for a picture, and how long none may answer",
            "一枚にかかってよい時間、どのホストも応答しなくてよい時間 (秒)"))]
    pub via_timeout: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ViaFamily {
    Sdxl,
    Sd1,
}

impl ViaArgs {
    /// A session, and whoever draws for it: the hosts that are named, or this program's engine.
    pub fn open(&self, places: &PlaceArgs, caller: Caller, engine: &EngineArgs) -> app::Result<(Arc<Session>, Drawer)> {
        let mut places = places.places();
        if self.via.is_empty() {
            return Ok((Arc::new(Session::open(&places, caller)?), Drawer::Here(engine.settings()?)));
        }
        let hosts = Hosts::meet(&Wish {
            urls: self.via.clone(),
            lora_dir: self.via_lora_dir.clone(),
            patience: Duration::from_secs(self.via_timeout),
            is_sd1: self.via_family == ViaFamily::Sd1,
        })?;
        places.remote = Some(hosts.remote());
        let mut session = Session::open(&places, caller)?;
        session.found.extend(hosts.found.clone());
        Ok((Arc::new(session), Drawer::Via(Box::new(hosts))))
    }
}

/// Whoever draws, before there is anything to draw.
pub enum Drawer {
    /// This program's engine.
    Here(app::EngineSettings),
    /// Other hosts.
    Via(Box<Hosts>),
}

impl Drawer {
    /// The renderer for a session.
    pub fn renderer(self, session: Arc<Session>) -> app::Result<Box<dyn Renderer>> {
        Ok(match self {
            Drawer::Here(settings) => Box::new(Studios::new(session, settings)),
            Drawer::Via(hosts) => Box::new(Via::new(session, *hosts)?),
        })
    }
}
