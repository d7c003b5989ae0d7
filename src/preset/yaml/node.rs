//! YAML values as far as preset files have them, read within a budget.

use std::cell::Cell;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::preset::SIZE_LIMIT;

/// Reads a document. Aliases may not blow it up beyond [`SIZE_LIMIT`].
pub(super) fn read(text: &str) -> Result<Node, serde_yaml::Error> {
    NodeSeed(&Cell::new(SIZE_LIMIT)).deserialize(serde_yaml::Deserializer::from_str(text))
}

/// A YAML value as far as preset files go. Map entries keep their order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Nothing,
    Text(String),
    Map(Vec<(String, Node)>),
    List,
}

/// Builds a [`Node`], refusing documents that aliases blow up: every byte of text and every node is paid from the budget.
#[derive(Clone, Copy)]
struct NodeSeed<'a>(&'a Cell<usize>);

impl NodeSeed<'_> {
    fn pay<E: Error>(self, bytes: usize) -> Result<(), E> {
        let left = self.0.get().checked_sub(bytes + 1);
        self.0.set(left.ok_or_else(|| E::custom(format!("the file expands to more than {} MiB", SIZE_LIMIT >> 20)))?);
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
        Ok(Node::Nothing)
    }

    /// An empty file.
    fn visit_none<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        while list.next_element_seed(self)?.is_some() {}
        Ok(Node::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key_seed(self)? {
            let Node::Text(key) = key else { return Err(A::Error::custom("a key must be a text")) };
            entries.push((key, map.next_value_seed(self)?));
        }
        Ok(Node::Map(entries))
    }
}
