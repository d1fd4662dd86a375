//! Projections: the part of an item that some paths lead to.

use std::collections::BTreeMap;

use super::cursor::{Cursor, Rank, Stop, parse};
use super::path::{Path, Step, find_clash};
use super::placeholders::Placeholders;
use crate::ApiError;
use crate::dynamodb::value::{AttributeValue, Item};

#[derive(Debug, Clone)]
pub(crate) struct Projection(Vec<Path>);

impl Projection {
    pub(crate) fn parse(text: &str, placeholders: &mut Placeholders) -> Result<Self, ApiError> {
        parse("ProjectionExpression", text, placeholders, paths).map(Self)
    }

    pub(crate) fn of(&self, item: &Item) -> Item {
        project(item, self.0.iter())
    }
}

fn paths(cursor: &mut Cursor<'_>) -> Result<Vec<Path>, Stop> {
    let mut paths = vec![cursor.path()?];
    while cursor.eat(",") {
        paths.push(cursor.path()?);
    }
    if let Some(problem) = find_clash(paths.iter()) {
        cursor.report(Rank::Paths, problem);
    }
    Ok(paths)
}

/// The attributes the paths lead to, each inside the maps and lists around it; a list keeps only those elements.
pub(super) fn project<'a>(item: &Item, paths: impl Iterator<Item = &'a Path>) -> Item {
    let mut branches: BTreeMap<&str, Vec<&[Step]>> = BTreeMap::new();
    for path in paths {
        branches.entry(&path.root).or_default().push(&path.steps);
    }
    branches
        .into_iter()
        .filter_map(|(root, steps)| Some((root.to_owned(), project_value(item.get(root)?, &steps)?)))
        .collect()
}

/// `None` if none of the ways leads to anything. Recursion ends with the value's depth, however long a way is.
fn project_value(value: &AttributeValue, ways: &[&[Step]]) -> Option<AttributeValue> {
    let mut branches: BTreeMap<&Step, Vec<&[Step]>> = BTreeMap::new();
    for way in ways {
        let Some((first, rest)) = way.split_first() else {
            return Some(value.clone());
        };
        branches.entry(first).or_default().push(rest);
    }
    match value {
        AttributeValue::L(list) => {
            let elements: Vec<_> = branches
                .iter()
                .filter_map(|(step, ways)| match step {
                    Step::Index(index) => project_value(list.get(*index)?, ways),
                    Step::Name(_) => None,
                })
                .collect();
            (!elements.is_empty()).then_some(AttributeValue::L(elements))
        }
        AttributeValue::M(map) => {
            let members: Item = branches
                .iter()
                .filter_map(|(step, ways)| match step {
                    Step::Name(name) => Some((name.clone(), project_value(map.get(name)?, ways)?)),
                    Step::Index(_) => None,
                })
                .collect();
            (!members.is_empty()).then_some(AttributeValue::M(members))
        }
        _ => None,
    }
}
