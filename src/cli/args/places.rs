//! Where files are found.

use std::path::PathBuf;

use clap::Args;

use crate::app::Places;

/// Where files are found.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Files")]
pub struct PlaceArgs {
    /// A webui folder: its models, LoRAs, VAEs, embeddings, styles and presets are used
    #[arg(long, env = "LBW_WEBUI_DIR", value_name = "DIR")]
    pub webui_dir: Option<PathBuf>,
    /// Leave webui's config.json in --webui-dir unread
    #[arg(long)]
    pub no_webui_config: bool,
    /// A folder with LoRA files; may be given several times
    #[arg(long, value_name = "DIR")]
    pub lora_dir: Vec<PathBuf>,
    /// A folder with textual-inversion embeddings (.safetensors for SDXL); may be given several times
    #[arg(long, value_name = "DIR")]
    pub embeddings_dir: Vec<PathBuf>,
    /// A styles file like webui's styles.csv; may be given several times, later ones win
    #[arg(long, value_name = "FILE")]
    pub styles_file: Vec<PathBuf>,
    /// A preset file, YAML or webui's lbwpresets.txt; may be given several times, later ones win
    #[arg(long, value_name = "FILE")]
    pub presets: Vec<PathBuf>,
    /// An element preset file (webui's elempresets.txt); may be given several times
    #[arg(long, value_name = "FILE")]
    pub element_presets: Vec<PathBuf>,
}

impl PlaceArgs {
    /// The places that are named, and the cache that the environment names.
    pub fn places(&self) -> Places {
        let default = Places::default();
        Places {
            webui: self.webui_dir.clone(),
            webui_config: !self.no_webui_config,
            loras: self.lora_dir.clone(),
            embeddings: self.embeddings_dir.clone(),
            styles: self.styles_file.clone(),
            presets: self.presets.clone(),
            element_presets: self.element_presets.clone(),
            cache: std::env::var_os("LBW_CACHE_DIR").map_or(default.cache, PathBuf::from),
        }
    }
}
