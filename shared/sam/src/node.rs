//! The template as a tree whose nodes know their place, so that every message can name it.

use std::fmt;
use std::ops::RangeInclusive;
use std::rc::Rc;

use serde_json::json;

use super::error::Problem;

/// A value and its place in the template.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The path from the top, such as `Resources.OrdersQueue.Properties`.
    pub(crate) place: Place,
    /// From 1.
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// The path to a value, such as `Resources.OrdersQueue.Properties`. The paths of its children share it, because a file can have
/// very many children below a very long key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place(Option<Rc<(Place, Step)>>);

#[derive(Debug)]
enum Step {
    Key(String),
    Item(usize),
}

impl Place {
    pub(crate) fn key(&self, key: &str) -> Self {
        Self(Some(Rc::new((self.clone(), Step::Key(key.to_owned())))))
    }

    pub(crate) fn item(&self, index: usize) -> Self {
        Self(Some(Rc::new((self.clone(), Step::Item(index)))))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_deref() {
            None => f.write_str("the template"),
            Some((Place(None), Step::Key(key))) => f.write_str(key),
            Some((above, Step::Key(key))) => write!(f, "{above}.{key}"),
            Some((Place(None), Step::Item(index))) => write!(f, "[{index}]"),
            Some((above, Step::Item(index))) => write!(f, "{above}[{index}]"),
        }
    }
}

/// The value. Scalars stay text, as CloudFormation converts between text, numbers and booleans itself: the property
/// decides what it accepts.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Value {
    /// About how many bytes a copy takes.
    pub(crate) fn size(&self) -> usize {
        let inside: usize = match self {
            Self::Null => 0,
            Self::Text(text) => text.len(),
            Self::List(items) => items.iter().map(Node::size).sum(),
            Self::Map(entries) => entries.iter().map(|(name, node)| name.len() + node.size()).sum(),
        };
        size_of::<Node>() + inside
    }
}

impl Node {
    /// The same place with another value.
    pub(crate) fn with(&self, value: Value) -> Self {
        Self {
            place: self.place.clone(),
            line: self.line,
            value,
        }
    }

    /// Another value at another place, from the same line.
    pub(crate) fn moved(&self, place: Place, value: Value) -> Self {
        let line = self.line;
        Self { place, line, value }
    }

    /// An empty mapping below this node: what a left-out `Properties` means.
    pub(crate) fn empty_child(&self, key: &str) -> Self {
        Self {
            place: self.place.key(key),
            line: self.line,
            value: Value::Map(Vec::new()),
        }
    }

    /// AWS would refuse this value.
    pub(crate) fn invalid(&self, reason: impl Into<String>) -> Problem {
        Problem::Invalid {
            line: self.line,
            place: self.place.to_string(),
            reason: reason.into(),
        }
    }

    /// The local stack doesn't support this value.
    pub(crate) fn unsupported(&self, reason: impl Into<String>) -> Problem {
        Problem::Unsupported {
            line: self.line,
            place: self.place.to_string(),
            reason: reason.into(),
        }
    }

    /// About how many bytes a copy takes.
    pub(crate) fn size(&self) -> usize {
        self.value.size()
    }

    /// The child of that name, if this is a mapping that has one.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Result<&str, Problem> {
        match &self.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.invalid("must be a text")),
        }
    }

    pub(crate) fn list(&self) -> Result<&[Self], Problem> {
        match &self.value {
            Value::List(items) => Ok(items),
            _ => Err(self.invalid("must be a list")),
        }
    }

    pub(crate) fn map(&self) -> Result<&[(String, Self)], Problem> {
        match &self.value {
            Value::Map(entries) => Ok(entries),
            _ => Err(self.invalid("must be a mapping")),
        }
    }

    pub(crate) fn texts(&self) -> Result<Vec<&str>, Problem> {
        self.list()?.iter().map(Self::text).collect()
    }

    pub(crate) fn number(&self, range: RangeInclusive<u32>) -> Result<u32, Problem> {
        let text = self.text()?;
        let number = text.parse().ok().filter(|number| range.contains(number));
        let expected = || {
            format!(
                "must be a whole number from {} to {}, not {text:?}",
                range.start(),
                range.end()
            )
        };
        number.ok_or_else(|| self.invalid(expected()))
    }

    pub(crate) fn boolean(&self) -> Result<bool, Problem> {
        match self.text()? {
            "true" | "True" | "TRUE" => Ok(true),
            "false" | "False" | "FALSE" => Ok(false),
            other => Err(self.invalid(format!("must be true or false, not {other:?}"))),
        }
    }

    pub(crate) fn one_of<'a>(&'a self, choices: &[&str]) -> Result<&'a str, Problem> {
        let text = self.text()?;
        if choices.contains(&text) {
            return Ok(text);
        }
        Err(self.invalid(format!("must be one of {}, not {text:?}", choices.join(", "))))
    }

    /// The node as JSON; scalars are strings.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => json!(null),
            Value::Text(text) => json!(text),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => entries
                .iter()
                .map(|(name, node)| (name.clone(), node.to_json()))
                .collect(),
        }
    }
}
