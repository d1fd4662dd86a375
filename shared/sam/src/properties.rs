//! A resource's properties: the supported ones, those that make no difference locally, and the rest, which is refused.

use std::{collections::BTreeMap, ops::RangeInclusive};

use super::{
    error::Problem,
    node::{Node, Value},
    scope::Scope,
};

/// What is done about the properties of one type.
pub(crate) struct Rules {
    pub(crate) supported: &'static [&'static str],
    /// Supported, too, but with rules of their own for their parts: see [`Properties::part`].
    pub(crate) parts: &'static [&'static str],
    /// Without an effect that could be observed on one machine; they aren't even evaluated.
    pub(crate) without_effect: &'static [&'static str],
    /// Refused with these words; any other property is refused in general ones.
    pub(crate) refused: &'static [(&'static str, &'static str)],
}

impl Rules {
    /// All of these are supported, no others.
    pub(crate) const fn only(supported: &'static [&'static str]) -> Self {
        Self {
            supported,
            parts: &[],
            without_effect: &[],
            refused: &[],
        }
    }

    fn known(&self) -> impl Iterator<Item = &'static str> {
        let known = [self.supported, self.parts, self.without_effect];
        known.into_iter().flatten().copied()
    }
}

/// The supported properties of one resource (or of a part of one), evaluated.
pub(crate) struct Properties {
    node: Node,
    values: BTreeMap<String, Node>,
}

impl Properties {
    /// Sorts and evaluates the entries of `node`. A refused property that evaluates to `AWS::NoValue` isn't there.
    pub(crate) fn open(scope: &Scope<'_>, node: &Node, rules: &Rules) -> Result<Self, Problem> {
        let mut values = BTreeMap::new();
        for (name, property) in node.map()? {
            if rules.supported.contains(&name.as_str()) {
                values.extend(scope.resolve(property)?.map(|value| (name.clone(), value)));
            } else if rules.parts.contains(&name.as_str()) {
                values.extend(scope.resolve_shallow(property)?.map(|value| (name.clone(), value)));
            } else if !rules.without_effect.contains(&name.as_str()) && !is_no_value(scope, property) {
                return Err(refused(name, property, rules));
            }
        }
        Ok(Self {
            node: node.with(Value::Null),
            values,
        })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.values.get(name)
    }

    pub(crate) fn required(&self, name: &str) -> Result<&Node, Problem> {
        self.get(name)
            .ok_or_else(|| self.node.invalid(format!("{name} is missing")))
    }

    pub(crate) fn number(&self, name: &str, range: RangeInclusive<u32>) -> Result<Option<u32>, Problem> {
        self.get(name).map(|node| node.number(range)).transpose()
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, Problem> {
        self.get(name).map(Node::boolean).transpose()
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Problem> {
        self.get(name).map(Node::text).transpose()
    }

    pub(crate) fn one_of(&self, name: &str, choices: &[&str]) -> Result<Option<&str>, Problem> {
        self.get(name).map(|node| node.one_of(choices)).transpose()
    }

    /// A part of this resource, which must be one of the `parts` of its rules.
    pub(crate) fn part(&self, scope: &Scope<'_>, name: &str, rules: &Rules) -> Result<Option<Self>, Problem> {
        self.get(name).map(|node| Self::open(scope, node, rules)).transpose()
    }
}

fn is_no_value(scope: &Scope<'_>, property: &Node) -> bool {
    matches!(scope.resolve(property), Ok(None))
}

/// Why something with a name that is not `known` is refused: it is misspelt, or not supported.
pub(crate) fn unknown(what: &str, name: &str, known: impl IntoIterator<Item = &'static str>) -> String {
    match cli::similar(name, known) {
        Some(similar) => format!("the local stack doesn't know {what}: did you mean {similar}?"),
        None => format!("the local stack doesn't support {what}: remove it"),
    }
}

fn refused(name: &str, property: &Node, rules: &Rules) -> Problem {
    match rules.refused.iter().find(|(known, _)| known == &name) {
        Some((_, reason)) => property.unsupported(*reason),
        None => property.unsupported(unknown(&format!("the property {name}"), name, rules.known())),
    }
}
