//! What webui calls an upscaler's file.

use std::path::Path;

/// A Real-ESRGAN model that webui knows under a name of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltIn {
    /// webui's name for it.
    pub name: &'static str,
    /// In the folder `RealESRGAN`.
    pub file: &'static str,
    /// How many times larger the picture gets.
    pub scale: usize,
}

const fn known(name: &'static str, file: &'static str, scale: usize) -> BuiltIn {
    BuiltIn { name, file, scale }
}

pub(super) const BUILT_IN: [BuiltIn; 6] = [
    known("R-ESRGAN General 4xV3", "realesr-general-x4v3.pth", 4),
    known("R-ESRGAN General WDN 4xV3", "realesr-general-wdn-x4v3.pth", 4),
    known("R-ESRGAN AnimeVideo", "realesr-animevideov3.pth", 4),
    known("R-ESRGAN 4x+", "RealESRGAN_x4plus.pth", 4),
    known("R-ESRGAN 4x+ Anime6B", "RealESRGAN_x4plus_anime_6B.pth", 4),
    known("R-ESRGAN 2x+", "RealESRGAN_x2plus.pth", 2),
];

/// Upscalers of webui that are other networks, by how their names begin.
const REFUSED: [(&str, &str); 5] =
    [("DAT", "DAT"), ("SwinIR", "SwinIR"), ("ScuNET", "ScuNET"), ("LDSR", "LDSR"), ("HAT", "HAT")];

/// The kind of network that webui has under this name, where it is one that is not run.
pub(super) fn refused(name: &str) -> Option<&'static str> {
    REFUSED.into_iter().find(|(begin, _)| name.starts_with(begin)).map(|(_, kind)| kind)
}

/// What an infotext of webui calls the upscaler in this file: a name of its own, or the file's without its ending.
pub fn name_of(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    match BUILT_IN.into_iter().find(|model| model.file == file) {
        Some(model) => model.name.to_owned(),
        None => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    }
}
