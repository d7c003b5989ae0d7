//! How much stands in the header of a safetensors file, counted before any of it is kept: a name of one letter takes a hundred bytes
//! in memory, so the header's own length bounds nothing.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::error::Reason;
use crate::diagnostic::Text;
use crate::files::limits::{METADATA, TENSORS};
use crate::say;

/// What describes a tensor is ten words, with a long shape twenty.
const WORDS: usize = 32;

/// Counts what the header `text` names. An error where it is no JSON.
pub(super) fn count(text: &[u8]) -> serde_json::Result<Counted> {
    serde_json::from_slice(text)
}

/// What a header names.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub tensors: usize,
    /// Numbers and names in the descriptions of all tensors.
    words: usize,
    metadata: usize,
    /// What stands in the metadata in place of a text.
    odd: Option<Text>,
}

impl Counted {
    /// Why the header is not read, if so.
    pub fn refusal(self) -> Option<Reason> {
        if let Some(odd) = self.odd {
            return Some(Reason::Metadata(odd));
        }
        if self.tensors > TENSORS || self.words > WORDS * TENSORS {
            return Some(Reason::Other(say!(
                "its header names more than {TENSORS} tensors, which no model has",
                "ヘッダーのテンソルが {TENSORS} 個を超えています。そのようなモデルはありません"
            )));
        }
        (self.metadata > METADATA).then(|| {
            Reason::Other(say!(
                "its metadata has more than {METADATA} entries",
                "メタデータの項目が {METADATA} 個を超えています"
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Header;
        impl<'de> Visitor<'de> for Header {
            type Value = Counted;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Counted, A::Error> {
                let mut counted = Counted::default();
                while let Some(Key(key)) = map.next_key()? {
                    if key == "__metadata__" {
                        let Metadata { entries, odd } = map.next_value()?;
                        (counted.metadata, counted.odd) = (counted.metadata + entries, counted.odd.or(odd));
                    } else {
                        counted.tensors += 1;
                        map.next_value_seed(Words(&mut counted.words))?;
                    }
                }
                Ok(counted)
            }
        }
        deserializer.deserialize_map(Header)
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The value of `__metadata__`: an object of texts, or null.
struct Metadata {
    entries: usize,
    odd: Option<Text>,
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Kinds).map(|kind| match kind {
            Kind::Object(entries, odd) => Metadata { entries, odd },
            Kind::Null => Metadata { entries: 0, odd: None },
            Kind::Text => Metadata { entries: 0, odd: Some(say!("a text", "裸の文字列")) },
            other => Metadata { entries: 0, odd: other.odd() },
        })
    }
}

/// What kind of value it is, and of an object, how many entries it has and what is the first of them that is no text.
enum Kind {
    Text,
    Number,
    Object(usize, Option<Text>),
    List,
    Bool,
    Null,
}

impl Kind {
    fn odd(self) -> Option<Text> {
        match self {
            Kind::Text => None,
            Kind::Number => Some(say!("a number", "数値")),
            Kind::Object(..) => Some(say!("an object", "オブジェクト")),
            Kind::List => Some(say!("a list", "リスト")),
            Kind::Bool => Some(say!("true or false", "真偽値")),
            Kind::Null => Some(say!("null", "null ")),
        }
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Kinds)
    }
}

struct Kinds;

impl<'de> Visitor<'de> for Kinds {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, _: &str) -> Result<Kind, E> {
        Ok(Kind::Text)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Kind, E> {
        Ok(Kind::Number)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Kind, E> {
        Ok(Kind::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Kind, E> {
        Ok(Kind::Number)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Kind, E> {
        Ok(Kind::Bool)
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Kind::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let (mut entries, mut odd) = (0, None);
        while map.next_key::<IgnoredAny>()?.is_some() {
            entries += 1;
            let value: Kind = map.next_value()?;
            odd = odd.or(value.odd());
        }
        Ok(Kind::Object(entries, odd))
    }
}

/// Counts the numbers and names in a value, however deep.
struct Words<'a>(&'a mut usize);

impl<'de> DeserializeSeed<'de> for Words<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        *self.0 += 1;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Words<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Words(&mut *self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(Words(&mut *self.0))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<Reason> {
        count(text.as_bytes()).unwrap().refusal()
    }

    #[test]
    fn headers_of_too_much_are_refused() {
        let tensors = |n: usize| {
            let all = (0..n).map(|i| format!(r#""t{i}":{{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#));
            format!("{{{}}}", all.collect::<Vec<_>>().join(","))
        };
        assert_eq!(refused(&tensors(2000)), None);
        assert!(matches!(refused(&tensors(TENSORS + 1)), Some(Reason::Other(_))));
        let long = format!(r#"{{"t":{{"shape":[{}0]}}}}"#, "1,".repeat(WORDS * TENSORS));
        assert!(matches!(refused(&long), Some(Reason::Other(_))));
        let entries = |n: usize| {
            let all: Vec<_> = (0..n).map(|i| format!(r#""k{i}":"v""#)).collect();
            format!(r#"{{"__metadata__":{{{}}}}}"#, all.join(","))
        };
        assert_eq!(refused(&entries(METADATA)), None);
        assert!(matches!(refused(&entries(METADATA + 1)), Some(Reason::Other(_))));
    }

    #[test]
    fn metadata_holds_texts_alone() {
        for (metadata, is_odd) in
            [("{}", false), ("null", false), (r#""x""#, true), (r#"{"a":1}"#, true), (r#"{"a":"x","b":[1]}"#, true)]
        {
            let found = refused(&format!(r#"{{"\u005f_metadata__":{metadata}}}"#));
            assert_eq!(matches!(found, Some(Reason::Metadata(_))), is_odd, "{metadata}");
        }
        assert!(count(b"[]").is_err() && count(b"{").is_err() && count("[".repeat(9999).as_bytes()).is_err());
    }
}
