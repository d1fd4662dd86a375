//! Document paths: `a.b[1]`.

use std::fmt;

use crate::dynamodb::value::{AttributeValue, Item};

/// A way into an item, its placeholders resolved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path {
    pub(super) root: String,
    pub(super) steps: Vec<Step>,
}

/// One step further in. The order of indices is what an update of several list elements goes by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Index(usize),
    Name(String),
}

impl Path {
    pub(super) fn get<'a>(&self, item: &'a Item) -> Option<&'a AttributeValue> {
        self.steps
            .iter()
            .try_fold(item.get(&self.root)?, |value, step| match (value, step) {
                (AttributeValue::M(map), Step::Name(name)) => map.get(name),
                (AttributeValue::L(list), Step::Index(index)) => list.get(*index),
                _ => None,
            })
    }

    /// The list or map that holds the path's last step; `None` if the path has no steps.
    pub(super) fn parent(&self) -> Option<(Self, &Step)> {
        let (last, steps) = self.steps.split_last()?;
        Some((
            Self {
                root: self.root.clone(),
                steps: steps.to_vec(),
            },
            last,
        ))
    }

    pub(super) fn get_mut<'a>(&self, item: &'a mut Item) -> Option<&'a mut AttributeValue> {
        self.steps
            .iter()
            .try_fold(item.get_mut(&self.root)?, |value, step| match (value, step) {
                (AttributeValue::M(map), Step::Name(name)) => map.get_mut(name),
                (AttributeValue::L(list), Step::Index(index)) => list.get_mut(*index),
                _ => None,
            })
    }
}

impl fmt::Display for Path {
    /// As DynamoDB's messages show it: `[a, b, [1]]`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{}", self.root)?;
        for step in &self.steps {
            match step {
                Step::Index(index) => write!(formatter, ", [{index}]")?,
                Step::Name(name) => write!(formatter, ", {name}")?,
            }
        }
        write!(formatter, "]")
    }
}

/// What forbids the two paths in one expression, if anything does.
fn clash(one: &Path, two: &Path) -> Option<&'static str> {
    if one.root != two.root {
        return None;
    }
    let apart = one.steps.iter().zip(&two.steps).find(|(left, right)| left != right);
    match apart {
        None => Some("overlap"),
        Some((Step::Index(_), Step::Name(_)) | (Step::Name(_), Step::Index(_))) => Some("conflict"),
        Some(_) => None,
    }
}

/// The error, if two of the paths can't stand together.
pub(super) fn find_clash<'a>(paths: impl Iterator<Item = &'a Path> + Clone) -> Option<String> {
    let pairs = paths
        .clone()
        .enumerate()
        .flat_map(|(index, two)| paths.clone().take(index).map(move |one| (one, two)));
    pairs.into_iter().find_map(|(one, two)| {
        let how = clash(one, two)?;
        Some(format!(
            "Two document paths {how} with each other; must remove or rewrite one of these paths; \
             path one: {one}, path two: {two}"
        ))
    })
}
