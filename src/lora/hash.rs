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
        Ok(Self::of(&TensorFile::open(path)?))
    }

    pub(super) fn of(file: &TensorFile) -> Self {
        let bytes = file.as_bytes();
        let header_len = bytes.first_chunk().map_or(0, |len| u64::from_le_bytes(*len));
        let data =
            usize::try_from(header_len).ok().and_then(|len| bytes.get(len.checked_add(8)?..)).unwrap_or_default();
        let sha256 = hex(&Sha256::digest(bytes));
        // Other formats have no header; webui then takes the whole file.
        let is_safetensors = file.format() == Format::Safetensors;
        let addnet = if is_safetensors { hex(&Sha256::digest(data)) } else { sha256.clone() };
        let stated = file.metadata().get("sshs_model_hash").filter(|hash| !hash.is_empty());
        let webui = stated.unwrap_or(&addnet).chars().take(12).collect();
        LoraHashes { sha256, addnet, webui }
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
        let hashes = LoraHashes::of(&file(r#""ss_output_name":"x""#));
        assert_eq!(hashes.addnet, ABC);
        assert_eq!(hashes.webui, "ba7816bf8f01");
        assert!(hashes.matches("BA7816BF8F01") && !hashes.matches("ba78") && !hashes.matches(""));
    }

    #[test]
    fn a_stated_hash_comes_first() {
        let hashes = LoraHashes::of(&file(r#""sshs_model_hash":"0123456789abcdef""#));
        assert_eq!(hashes.webui, "0123456789ab");
        assert!(hashes.matches("0123456789ab") && hashes.matches("ba7816bf8f01"));
    }
}
