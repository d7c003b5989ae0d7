//! A model whose parts are files of their own in one folder: as diffusers lays them out, or beside each other as ComfyUI's
//! users keep them (a UNet as GGUF, `clip_l`, `clip_g`, a VAE).

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::detect::Refusal;
use super::layout::{self, Part};
use super::{CheckpointError, FileError, TensorFile};
use crate::block::Family;
use crate::diagnostic::Text;
use crate::files;
use crate::say;

/// More files than this are a collection of models, not the parts of one.
const MAX_FILES: usize = 64;
const EXTENSIONS: [&str; 7] = ["safetensors", "sft", "gguf", "bin", "ckpt", "pt", "pth"];
/// diffusers' folders of the parts that a picture needs.
const DIFFUSERS: [(&str, Part); 4] =
    [("unet", Part::Unet), ("text_encoder", Part::ClipL), ("text_encoder_2", Part::ClipG), ("vae", Part::Vae)];

/// The files that the model in `folder` is made of, in order; with the part each is, where its place tells.
fn parts(folder: &Path) -> std::io::Result<Vec<(PathBuf, Option<Part>)>> {
    if DIFFUSERS.iter().all(|(name, _)| !folder.join(name).is_dir()) {
        return Ok(tensor_files(folder)?.into_iter().map(|file| (file, None)).collect());
    }
    let mut found = Vec::new();
    for (name, part) in DIFFUSERS {
        let folder = folder.join(name);
        let files = if folder.is_dir() { tensor_files(&folder)? } else { Vec::new() };
        found.extend(files.into_iter().map(|file| (file, Some(part))));
    }
    Ok(found)
}

/// The files of tensors in `folder`, each model once: safetensors before pickles, full precision before fp16.
fn tensor_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let extension = |path: &Path| path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    let rank = |path: &Path| EXTENSIONS.iter().position(|e| extension(path).as_deref() == Some(e));
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && rank(&path).is_some() && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    // `NAME.fp16.safetensors` and `NAME.bin` hold the same as `NAME.safetensors`.
    let plain = |path: &Path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
        let stem = ["pytorch_model", "diffusion_pytorch_model"].iter().fold(stem, |s, name| s.replace(name, "model"));
        stem.replace(".fp16", "").replace(".non_ema", "")
    };
    let preference = |path: &Path| (rank(path), path.file_stem().map(|s| s.len()));
    let mut kept: Vec<PathBuf> = Vec::new();
    for file in files {
        match kept.iter_mut().find(|other| plain(other) == plain(&file)) {
            Some(other) if preference(&file) < preference(other) => *other = file,
            Some(_) => {}
            None => kept.push(file),
        }
    }
    Ok(kept)
}

/// sha256 of the model at `path` in hex. A folder is a model of several files: its hash is that of theirs.
pub fn sha256_of_file(path: &Path) -> std::io::Result<String> {
    hash(path, &files::sha256_of_file)
}

/// [`sha256_of_file`], each file's remembered in the folder `cache` for as long as the file keeps its size and time.
pub fn cached_sha256(path: &Path, cache: &Path) -> std::io::Result<String> {
    hash(path, &|file| files::cached_sha256(file, cache))
}

/// What [`cached_sha256`] has remembered; nothing is read.
pub fn known_sha256(path: &Path, cache: &Path) -> Option<String> {
    let unknown = || std::io::Error::from(std::io::ErrorKind::NotFound);
    hash(path, &|file| files::known_sha256(file, cache).ok_or_else(unknown)).ok()
}

fn hash(path: &Path, of_file: &dyn Fn(&Path) -> std::io::Result<String>) -> std::io::Result<String> {
    if !path.is_dir() {
        return of_file(path);
    }
    let hashes = parts(path)?.iter().map(|(file, _)| of_file(file)).collect::<std::io::Result<Vec<_>>>()?;
    Ok(files::hex(&Sha256::digest(hashes.concat())))
}

/// Opens the model in `folder` as one file with webui's names.
pub(super) fn open(folder: &Path) -> Result<TensorFile, CheckpointError> {
    let refused = |refusal| CheckpointError::Refused { path: folder.to_owned(), refusal };
    let listed = parts(folder).map_err(|source| FileError::Io { path: folder.to_owned(), source })?;
    if listed.len() > MAX_FILES {
        return Err(refused(Refusal::Folder(say!(
            "model of its own (it holds dozens of files)",
            "単独のモデル (ファイルが何十もあります)"
        ))));
    }
    // A part may be in several files: its blocks can only be numbered when all are there.
    let mut files: Vec<(Part, TensorFile)> = Vec::new();
    for (path, place) in listed {
        let file = TensorFile::open(&path)?;
        let Some(part) = place.or_else(|| Part::of(&file)) else { continue };
        match files.iter_mut().find(|(other, _)| *other == part) {
            Some((_, first)) => first.take_in(file),
            None => files.push((part, file)),
        }
    }
    let unet = files.iter().find(|(part, _)| *part == Part::Unet);
    let family = unet.map_or(Family::Sdxl, |(_, file)| layout::family(file));
    let mut model: Option<TensorFile> = None;
    let mut found = Vec::new();
    for (part, mut file) in files {
        layout::to_webui(&mut file, Some(part), family);
        found.push(part);
        match &mut model {
            Some(model) => model.take_in(file),
            None => model = Some(file),
        }
    }
    let missing = [
        (Part::Unet, Text::same("UNet (unet/diffusion_pytorch_model.safetensors)")),
        (
            Part::ClipL,
            say!(
                "text encoder (text_encoder/model.safetensors)",
                "テキストエンコーダー (text_encoder/model.safetensors)"
            ),
        ),
        (
            Part::ClipG,
            say!(
                "second text encoder (text_encoder_2/model.safetensors)",
                "二つめのテキストエンコーダー (text_encoder_2/model.safetensors)"
            ),
        ),
    ];
    let is_needed = |part: Part| part == Part::Unet || Part::text_encoders(family).contains(&part);
    if let Some((_, name)) = missing.into_iter().find(|(part, _)| is_needed(*part) && !found.contains(part)) {
        return Err(refused(Refusal::Folder(name)));
    }
    let mut model = model.ok_or_else(|| refused(Refusal::Folder(say!("model", "モデル"))))?;
    model.set_path(folder.to_owned());
    Ok(model)
}

/// The VAE in `folder`: diffusers' folder of the VAE, or of a whole model.
pub(super) fn open_vae(folder: &Path) -> Result<TensorFile, CheckpointError> {
    let inside = folder.join("vae");
    let folder = if inside.is_dir() { &inside } else { folder };
    let files = tensor_files(folder).map_err(|source| FileError::Io { path: folder.to_owned(), source })?;
    for path in files.iter().take(MAX_FILES) {
        let file = TensorFile::open(path)?;
        if Part::of(&file) == Some(Part::Vae) {
            return Ok(file);
        }
    }
    Err(CheckpointError::Refused { path: folder.to_owned(), refusal: Refusal::NoVae })
}
