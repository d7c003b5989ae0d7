//! Pictures in requests: base64, with or without a `data:` prefix. Nothing is ever fetched.

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::answer::Failure;
use crate::app::api::{mask_of_bytes, picture_of_bytes};
use crate::app::{Error, InitImage};
use crate::diagnostic::Language;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes of a picture that was sent.
pub fn bytes(value: &Value) -> Result<Vec<u8>, Failure> {
    let invalid = || Failure::wrong("Invalid encoded image");
    let text = value.as_str().ok_or_else(invalid)?.trim();
    let is_address = |scheme: &&str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if ["http:", "https:", "file:", "ftp:"].iter().any(is_address) {
        return Err(Failure::wrong("Requests not allowed"));
    }
    let text = match text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:")) {
        true => text.split_once(";base64,").ok_or_else(invalid)?.1,
        false => text,
    };
    let plain: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let bytes = BASE64.decode(plain).map_err(|_| invalid())?;
    if bytes.is_empty() { Err(invalid()) } else { Ok(bytes) }
}

/// A picture that is drawn over.
pub fn picture(name: &str, value: &Value) -> Result<Arc<InitImage>, Failure> {
    picture_of_bytes(name, &bytes(value)?).map_err(|error| unreadable(&error))
}

/// A mask of it.
pub fn mask(name: &str, value: &Value) -> Result<Arc<InitImage>, Failure> {
    mask_of_bytes(name, &bytes(value)?).map_err(|error| unreadable(&error))
}

/// What webui says of a picture that cannot be read.
pub fn unreadable(error: &Error) -> Failure {
    let errors = Failure::app(error, Language::En).errors;
    Failure { errors, ..Failure::wrong("Invalid encoded image") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn base64_is_read_as_clients_write_it() {
        for text in ["aGk=", "aGk", " aG\r\nk= ", "data:image/png;base64,aGk=", "DATA:x;base64,aGk"] {
            assert_eq!(bytes(&json!(text)).unwrap(), b"hi", "{text}");
        }
        for text in ["", "@@@", "data:image/png,aGk=", "aGk=aGk=", "日本"] {
            assert_eq!(bytes(&json!(text)).unwrap_err().detail, json!("Invalid encoded image"), "{text}");
        }
        for text in ["http://x/y.png", "HTTPS://x", "file:///etc/passwd"] {
            assert_eq!(bytes(&json!(text)).unwrap_err().detail, json!("Requests not allowed"), "{text}");
        }
        assert!(bytes(&json!(5)).is_err());
    }
}
