//! Where files are found.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::app::Places;
use crate::cli::language::tell;
use crate::cli::user;

/// Where files are found.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = tell("Files", "ファイル"))]
pub struct PlaceArgs {
    #[arg(long, env = "LBW_WEBUI_DIR", hide_env_values = true, value_name = "DIR", value_hint = ValueHint::DirPath,
        help = tell("A webui folder: its models, LoRAs, VAEs, embeddings, styles and presets are used",
            "webui のフォルダー。モデル・LoRA・VAE・埋め込み・スタイル・プリセットを使います"))]
    pub webui_dir: Option<PathBuf>,
    #[arg(long, hide_short_help = true,
        help = tell("Leave webui's config.json in --webui-dir unread", "--webui-dir にある webui の config.json を読みません"))]
    pub no_webui_config: bool,
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath,
        help = tell("A folder with LoRA files; may be given several times", "LoRA のフォルダー。複数指定できます"))]
    pub lora_dir: Vec<PathBuf>,
    #[arg(long, value_name = "DIR", hide_short_help = true, value_hint = ValueHint::DirPath,
        help = tell("A folder with textual-inversion embeddings; may be given several times",
            "埋め込み (textual inversion) のフォルダー。複数指定できます"))]
    pub embeddings_dir: Vec<PathBuf>,
    #[arg(long, value_name = "DIR", hide_short_help = true, value_hint = ValueHint::DirPath,
        help = tell("A folder with upscalers (.pth, .safetensors), beside those in --webui-dir; may be given several times",
            "アップスケーラー (.pth・.safetensors) のフォルダー。--webui-dir のものに加わります。複数指定できます"))]
    pub upscaler_dir: Vec<PathBuf>,
    #[arg(long, value_name = "FILE", hide_short_help = true, value_hint = ValueHint::FilePath,
        help = tell("A styles file like webui's styles.csv; may be given several times, later ones win",
            "webui の styles.csv のようなスタイルのファイル。複数指定でき、後のものが優先されます"))]
    pub styles_file: Vec<PathBuf>,
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath,
        help = tell("A preset file, YAML or webui's lbwpresets.txt; may be given several times, later ones win",
            "プリセットのファイル。YAML か webui の lbwpresets.txt。複数指定でき、後のものが優先されます"))]
    pub presets: Vec<PathBuf>,
    #[arg(long, value_name = "FILE", hide_short_help = true, value_hint = ValueHint::FilePath,
        help = tell("An element preset file (webui's elempresets.txt); may be given several times",
            "要素のプリセットのファイル (webui の elempresets.txt)。複数指定できます"))]
    pub element_presets: Vec<PathBuf>,
}

impl PlaceArgs {
    /// The places that are named, those of the user's configuration, and the cache that the environment names.
    pub fn places(&self) -> Places {
        let always = &user::config().places;
        let with = |always: &[PathBuf], named: &[PathBuf]| [always, named].concat();
        Places {
            webui: self.webui_dir.clone().or_else(|| always.webui.clone()),
            webui_config: !self.no_webui_config,
            loras: with(&always.loras, &self.lora_dir),
            embeddings: with(&always.embeddings, &self.embeddings_dir),
            // Of several of one name the first counts.
            upscalers: with(&self.upscaler_dir, &always.upscalers),
            styles: with(&always.styles, &self.styles_file),
            presets: with(&always.presets, &self.presets),
            element_presets: with(&always.element_presets, &self.element_presets),
            cache: std::env::var_os("LBW_CACHE_DIR").map_or_else(|| always.cache.clone(), PathBuf::from),
            ..always.clone()
        }
    }
}
