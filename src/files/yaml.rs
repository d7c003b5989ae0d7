//! YAML, as far as our files and other programs' configurations have it, read within a budget. Nobody else names serde_yaml, which is no
//! longer developed: it can be exchanged here.

use std::cell::Cell;
use std::io;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::limits::{VALUES, YAML};
use super::values::is_crowded_yaml;

/// Why a text is no YAML that is read.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct YamlError(serde_yaml::Error);

impl YamlError {
    /// The byte at which it is noticed, where that is known.
    pub fn place(&self) -> Option<usize> {
        self.0.location().map(|at| at.index())
    }
}

impl From<YamlError> for io::Error {
    fn from(error: YamlError) -> Self {
        io::Error::other(error.0)
    }
}

/// Reads a document. Aliases may not blow it up beyond [`YAML`].
pub fn read(text: &str) -> Result<Node, YamlError> {
    if is_deep(text) {
        let why = format!("more than {BRACKETS} brackets are open");
        return Err(YamlError(serde_yaml::Error::custom(why)));
    }
    if is_crowded_yaml(text) {
        return Err(YamlError(serde_yaml::Error::custom(format!("the file has more than {VALUES} values"))));
    }
    NodeSeed(&Cell::new(YAML)).deserialize(serde_yaml::Deserializer::from_str(text)).map_err(YamlError)
}

/// Brackets that may be open, those in quotes and comments too. Lists that deep are refused anyway, but only when the scanner has looked
/// through all that are open for each word of the text.
const BRACKETS: usize = 1000;

fn is_deep(text: &str) -> bool {
    let mut open = 0usize;
    text.bytes().any(|byte| {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        open > BRACKETS
    })
}

/// Whether `text` stands for itself where it is written without quotes, and not for a number or a list.
pub fn is_plain(text: &str) -> bool {
    !is_deep(text) && serde_yaml::from_str::<serde_yaml::Value>(text).is_ok_and(|value| value.as_str() == Some(text))
}

/// A YAML value. Map entries keep their order; numbers and truths are texts.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// `null`, or nothing at all.
    Nothing,
    /// Anything with a text.
    Text(String),
    /// With keys that are texts.
    Map(Vec<(String, Node)>),
    /// In order.
    List(Vec<Node>),
}

impl Node {
    /// The value of a map's key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Node::Map(entries) = self else { return None };
        entries.iter().find(|(known, _)| known == key).map(|(_, node)| node)
    }

    /// The text that it is.
    pub fn text(&self) -> Option<&str> {
        if let Node::Text(text) = self { Some(text) } else { None }
    }
}

/// Builds a [`Node`], refusing documents that aliases blow up: every byte of text and every node is paid from the budget.
#[derive(Clone, Copy)]
struct NodeSeed<'a>(&'a Cell<usize>);

impl NodeSeed<'_> {
    fn pay<E: Error>(self, bytes: usize) -> Result<(), E> {
        let left = self.0.get().checked_sub(bytes + size_of::<Node>());
        self.0.set(left.ok_or_else(|| E::custom(format!("the file expands to more than {} MiB", YAML >> 20)))?);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for NodeSeed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeSeed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a text, a number or a map")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
        self.pay(text.len())?;
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        self.visit_str(if value { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        self.pay(0)?;
        Ok(Node::Nothing)
    }

    /// An empty file.
    fn visit_none<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        self.pay(0)?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        self.pay(0)?;
        let mut entries = Vec::new();
        while let Some(key) = map.next_key_seed(self)? {
            let Node::Text(key) = key else { return Err(A::Error::custom("a key must be a text")) };
            entries.push((key, map.next_value_seed(self)?));
        }
        Ok(Node::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_that_blow_up_are_refused() {
        let items = vec!["x"; 10_000].join(",");
        let aliases = vec!["*a"; 5_000].join(",");
        for bomb in
            [format!("a: &a [{items}]\nb: [{aliases}]\n"), format!("- &a {}\n- [{aliases}]\n", "x".repeat(100_000))]
        {
            assert!(read(&bomb).unwrap_err().to_string().contains("expands to more than"), "{}", &bomb[..20]);
        }
        for deep in ["[", "{\"a\":", "a: [\n"] {
            assert!(read(&deep.repeat(100_000)).unwrap_err().to_string().contains("brackets are open"), "{deep}");
        }
        let node = read("a: [1, {b: true}]\nc: null\n").unwrap();
        let inner = Node::Map(vec![("b".to_owned(), Node::Text("true".to_owned()))]);
        assert_eq!(node.get("a"), Some(&Node::List(vec![Node::Text("1".to_owned()), inner])));
        assert_eq!((node.get("c"), node.get("d")), (Some(&Node::Nothing), None));
        assert!(is_plain("a b") && !is_plain("1") && !is_plain("[a]") && !is_plain("yes: x"));
    }
}
