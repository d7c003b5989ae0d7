//! The hashes that tell LoRA files apart in infotext.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::checkpoint::{FileError, Format, TensorFile};
use crate::files::hex;

/// The hashes of one file, in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct LoraHashes {
    /// Of the whole file, as model sites list it.
    pub sha256: String,
    /// Of the tensors alone (everything after the header), so that editing metadata does not change it. The additional
    /// networks extension began this; kohya's scripts write it into new files as `sshs_model_hash`.
    pub addnet: String,
    /// The 12 digits that webui shows in `Lora hashes`: of the hash in the metadata if there is one, else of `addnet`.
    pub webui: String,
}

impl LoraHashes {
    /// Reads the whole file at `path`.
    pub fn of_file(path: &Path) -> Result<Self, FileError> {
        Self::of(&TensorFile::open(path)?)
    }

    pub(super) fn of(file: &TensorFile) -> Result<Self, FileError> {
        let (mut whole, mut tensors) = (Sha256::new(), Sha256::new());
        // Other formats have no header; webui then takes the whole file.
        let (mut seen, mut header) = (0, if file.format() == Format::Safetensors { None } else { Some(0) });
        file.pieces(|piece| {
            whole.update(piece);
            let header = *header.get_or_insert_with(|| {
                let length = piece.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
                usize::try_from(length).map_or(usize::MAX, |length| length.saturating_add(8))
            });
            tensors.update(piece.get(header.saturating_sub(seen)..).unwrap_or_default());
            seen += piece.len();
        })?;
        let (sha256, addnet) = (hex(&whole.finalize()), hex(&tensors.finalize()));
        let stated = file.metadata().get("sshs_model_hash").filter(|hash| !hash.is_empty());
        let webui = stated.unwrap_or(&addnet).chars().take(12).collect();
        Ok(LoraHashes { sha256, addnet, webui })
    }

    /// Whether `hash`, from an infotext, names this file: webui's hash, or the beginning (8 digits at least) of one of
    /// the hashes of its contents.
    pub fn matches(&self, hash: &str) -> bool {
        let hash = hash.trim().to_ascii_lowercase();
        let starts = |full: &str| hash.len() >= 8 && full.starts_with(&hash);
        hash == self.webui.to_ascii_lowercase() || starts(&self.sha256) || starts(&self.addnet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(metadata: &str) -> TensorFile {
        let header =
            format!(r#"{{"__metadata__":{{{metadata}}},"a":{{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}}}"#);
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), b"abc"].concat();
        TensorFile::from_bytes("a", bytes).unwrap()
    }

    #[test]
    fn the_addnet_hash_covers_the_tensors_alone() {
        const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let hashes = LoraHashes::of(&file(r#""ss_output_name":"x""#)).unwrap();
        assert_eq!(hashes.addnet, ABC);
        assert_eq!(hashes.webui, "ba7816bf8f01");
        assert!(hashes.matches("BA7816BF8F01") && !hashes.matches("ba78") && !hashes.matches(""));
    }

    #[test]
    fn a_stated_hash_comes_first() {
        let hashes = LoraHashes::of(&file(r#""sshs_model_hash":"0123456789abcdef""#)).unwrap();
        assert_eq!(hashes.webui, "0123456789ab");
        assert!(hashes.matches("0123456789ab") && hashes.matches("ba7816bf8f01"));
    }
}
