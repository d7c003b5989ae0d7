//! Text files and preset files, read with their limits.

use std::io::Read;
use std::path::Path;

use super::catalogue::Catalogue;
use super::error::{Error, Result};
use crate::diagnostic::{Diagnostic, Said, Text, code};
use crate::files::limits::TEXT;
use crate::files::{self, NotText, is_standard_input};
use crate::image_io::text_of_bytes;
use crate::preset::{PresetFile, PresetSet, webui, yaml};
use crate::say;

/// A text file of a sensible size; `-` is standard input.
pub fn read_text(path: &Path) -> Result<String> {
    if is_standard_input(path) {
        return read_standard_input();
    }
    let file = std::fs::File::open(path).map_err(|error| Error::reading(path, &error))?;
    read_stream(&Text::same(path.display()), file)
}

/// The text of standard input.
pub fn read_standard_input() -> Result<String> {
    let name = say!("standard input", "標準入力");
    match files::standard_input() {
        Ok(file) => read_stream(&name, file),
        Err(error) => {
            let why = error.said();
            Err(Error::file(code::NO_FILE, say!("{name}: {why}", "{name}: {why}", with name, why)))
        }
    }
}

/// The text of a file, or of a stream that is none, such as standard input; in any encoding that says what it is.
pub fn read_stream(name: &Text, stream: impl Read) -> Result<String> {
    let mut bytes = Vec::new();
    let read = stream.take(TEXT as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| {
        let why = error.said();
        Error::file(code::NO_FILE, say!("{name}: {why}", "{name}: {why}", with name, why))
    })?;
    if bytes.len() > TEXT {
        let mib = TEXT >> 20;
        let message = say!(
            "{name}: the file is larger than {mib} MiB, which no text of this kind is",
            "{name}: {mib} MiB を超えています。この種の文書ではありえない大きさです",
            with name
        );
        return Err(Error::file(code::NO_FILE, message));
    }
    files::decode(bytes).map_err(|wrong| not_text(name, wrong))
}

/// What `name` has is no text that can be read.
pub fn not_text(name: &Text, wrong: NotText) -> Error {
    let NotText { at, likely } = wrong;
    let message = say!(
        "{name}: not UTF-8 text (at byte {at})",
        "{name}: UTF-8 の文書ではありません ({at} バイト目)",
        with name
    );
    let error = Error::file(code::NO_FILE, message);
    match likely {
        Some(encoding) => error.help(say!(
            "it looks like {encoding}: save it as UTF-8",
            "{encoding} のようです。UTF-8 で保存してください"
        )),
        None => error.help(say!("it looks like no text at all", "文書ではないようです")),
    }
}

/// A folder that is gone when it is dropped.
pub struct ScratchFolder(tempfile::TempDir);

impl ScratchFolder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A new folder inside `cache` for files that are needed for a while.
pub fn scratch_folder(cache: &Path) -> Result<ScratchFolder> {
    let folder =
        std::fs::create_dir_all(cache).and_then(|()| tempfile::Builder::new().prefix(".work-").tempdir_in(cache));
    folder.map(ScratchFolder).map_err(|error| Error::writing(cache, &error))
}

/// A file of ours, whole.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let read = files::open(path).and_then(|mut file| {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map(|_| bytes)
    });
    read.map_err(|error| Error::reading(path, &error))
}

/// A picture of ours with its infotext.
pub fn read_picture_file(path: &Path) -> Result<(Vec<u8>, String)> {
    let bytes = read_bytes(path)?;
    let text = text_of_bytes(&path.to_string_lossy(), &bytes)?;
    Ok((bytes, text.parameters.unwrap_or_default()))
}

/// The built-in presets and those of all files named, later ones over earlier ones.
pub(super) fn load_presets(catalogue: &Catalogue) -> Result<(PresetSet, Vec<Diagnostic>)> {
    let mut presets = PresetSet::builtin().clone();
    let mut found = Vec::new();
    let weights = catalogue.presets.iter().map(|path| (path, false));
    for (path, is_elements) in weights.chain(catalogue.element_presets.iter().map(|path| (path, true))) {
        let (file, said) = read_presets(path, is_elements, &presets)?;
        presets.add(file);
        found.extend(said);
    }
    Ok((presets, found))
}

/// One preset file, in the form its name says: YAML, or webui's.
pub fn read_presets(path: &Path, is_elements: bool, known: &PresetSet) -> Result<(PresetFile, Vec<Diagnostic>)> {
    let text = read_text(path)?;
    let name = path.display().to_string();
    // webui's two files have names of their own, whichever option names them.
    let stem = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let is_elements = stem.contains("elempresets") || is_elements && !stem.contains("lbwpresets");
    let is_yaml = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("yaml") || e.eq_ignore_ascii_case("yml"));
    let (file, mut found) = match (is_yaml, is_elements) {
        (true, _) => yaml::parse(&name, &text, known),
        (false, true) => webui::elements(&name, &text),
        (false, false) => webui::weights(&name, &text),
    };
    let is_written = text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    if found.is_empty() && is_written && file.weights.is_empty() && file.elements.is_empty() {
        let message = say!("{name}: no preset is in it", "{name}: プリセットがありません");
        found.push(Diagnostic::new(code::IGNORED_LINE, message).help(match is_elements {
            true => say!(
                "element presets are written `NAME:blocks:elements:ratio`; weight presets are read with `--presets`",
                "要素のプリセットは `名前:ブロック:要素:倍率` と書きます。重みのプリセットは `--presets` で読みます"
            ),
            false => say!(
                "weight presets are written `NAME:1,0,…`; element presets are read with `--element-presets`",
                "重みのプリセットは `名前:1,0,…` と書きます。要素のプリセットは `--element-presets` で読みます"
            ),
        }));
    }
    Ok((file, found))
}
