//! Updates applied to an item.

use std::collections::BTreeSet;

use super::super::path::{Path, Step};
use super::super::projection::project;
use super::{Action, Change, Operand, Term, Update};
use crate::ApiError;
use crate::dynamodb::error::validation;
use crate::dynamodb::value::{AttributeValue, Item};

impl Update {
    /// The item as it is after the update. Every right-hand side and every list index means the item as it was before.
    pub(crate) fn apply(&self, old: &Item) -> Result<Item, ApiError> {
        let mut new = old.clone();
        let mut assigned = Vec::new();
        let mut removed = Vec::new();
        for action in &self.actions {
            check_way(&action.path, old)?;
            match action.result(old)? {
                Some(value) => assigned.push((&action.path, value)),
                None if action.path.get(old).is_some() => removed.push(&action.path),
                None => {}
            }
        }
        // Elements beyond a list's end are appended in the order of their indices, and removed ones go last to first,
        // so that no index shifts before it is used.
        assigned.sort_by_key(|(path, _)| *path);
        removed.sort();
        for (path, value) in assigned {
            assign(path, value, &mut new);
        }
        for path in removed.into_iter().rev() {
            remove(path, &mut new);
        }
        Ok(new)
    }

    /// Whether it can bring an item into being: one that only takes away leaves a missing item missing.
    pub(crate) fn creates(&self) -> bool {
        self.actions
            .iter()
            .any(|action| matches!(action.change, Change::Set(_) | Change::Add(_)))
    }

    /// The part of an item that this update is about.
    pub(crate) fn part_of(&self, item: &Item) -> Item {
        project(item, self.actions.iter().map(|action| &action.path))
    }
}

impl Action {
    /// What the path holds afterwards; `None`: nothing.
    fn result(&self, old: &Item) -> Result<Option<AttributeValue>, ApiError> {
        let current = self.path.get(old);
        match &self.change {
            Change::Set(term) => term.value(old).map(Some),
            Change::Remove => Ok(None),
            Change::Add(value) => add(current, value).map(Some),
            Change::Delete(value) => current.map_or(Ok(None), |current| delete(current, value)),
        }
    }
}

impl Term {
    fn value(&self, old: &Item) -> Result<AttributeValue, ApiError> {
        let (left, right) = match self {
            Self::Plain(operand) => return operand.value(old),
            Self::Plus(left, right) | Self::Minus(left, right) => (left.value(old)?, right.value(old)?),
        };
        let (AttributeValue::N(left), AttributeValue::N(right)) = (left, right) else {
            return Err(wrong_type());
        };
        let sum = if matches!(self, Self::Plus(..)) {
            left.plus(&right)
        } else {
            left.minus(&right)
        };
        sum.map(AttributeValue::N)
    }
}

impl Operand {
    fn value(&self, old: &Item) -> Result<AttributeValue, ApiError> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Path(path) => path.get(old).cloned().ok_or_else(no_attribute),
            Self::IfNotExists(path, otherwise) => match path.get(old) {
                Some(value) => Ok(value.clone()),
                None => otherwise.value(old),
            },
            Self::ListAppend(first, second) => match (first.value(old)?, second.value(old)?) {
                (AttributeValue::L(mut list), AttributeValue::L(rest)) => {
                    list.extend(rest);
                    Ok(AttributeValue::L(list))
                }
                _ => Err(wrong_type()),
            },
        }
    }
}

fn add(current: Option<&AttributeValue>, value: &AttributeValue) -> Result<AttributeValue, ApiError> {
    match (current, value) {
        (None, value) => Ok(value.clone()),
        (Some(AttributeValue::N(current)), AttributeValue::N(value)) => current.plus(value).map(AttributeValue::N),
        (Some(AttributeValue::Ss(current)), AttributeValue::Ss(value)) => Ok(AttributeValue::Ss(current | value)),
        (Some(AttributeValue::Ns(current)), AttributeValue::Ns(value)) => Ok(AttributeValue::Ns(current | value)),
        (Some(AttributeValue::Bs(current)), AttributeValue::Bs(value)) => Ok(AttributeValue::Bs(current | value)),
        _ => Err(wrong_type()),
    }
}

/// A set that loses its last member is removed: there are no empty sets.
fn delete(current: &AttributeValue, value: &AttributeValue) -> Result<Option<AttributeValue>, ApiError> {
    fn rest<T: Ord + Clone>(current: &BTreeSet<T>, gone: &BTreeSet<T>) -> Option<BTreeSet<T>> {
        Some(current - gone).filter(|rest| !rest.is_empty())
    }
    match (current, value) {
        (AttributeValue::Ss(current), AttributeValue::Ss(gone)) => Ok(rest(current, gone).map(AttributeValue::Ss)),
        (AttributeValue::Ns(current), AttributeValue::Ns(gone)) => Ok(rest(current, gone).map(AttributeValue::Ns)),
        (AttributeValue::Bs(current), AttributeValue::Bs(gone)) => Ok(rest(current, gone).map(AttributeValue::Bs)),
        _ => Err(wrong_type()),
    }
}

/// The list or map around what is changed must be there.
fn check_way(path: &Path, old: &Item) -> Result<(), ApiError> {
    let Some((parent, last)) = path.parent() else {
        return Ok(());
    };
    match (parent.get(old), last) {
        (Some(AttributeValue::M(_)), Step::Name(_)) | (Some(AttributeValue::L(_)), Step::Index(_)) => Ok(()),
        _ => Err(validation(
            "The document path provided in the update expression is invalid for update",
        )),
    }
}

fn assign(path: &Path, value: AttributeValue, item: &mut Item) {
    let Some((parent, last)) = path.parent() else {
        item.insert(path.root.clone(), value);
        return;
    };
    match (parent.get_mut(item), last) {
        (Some(AttributeValue::M(map)), Step::Name(name)) => {
            map.insert(name.clone(), value);
        }
        (Some(AttributeValue::L(list)), Step::Index(index)) => match list.get_mut(*index) {
            Some(element) => *element = value,
            None => list.push(value),
        },
        _ => {}
    }
}

fn remove(path: &Path, item: &mut Item) {
    let Some((parent, last)) = path.parent() else {
        item.remove(&path.root);
        return;
    };
    match (parent.get_mut(item), last) {
        (Some(AttributeValue::M(map)), Step::Name(name)) => {
            map.remove(name);
        }
        (Some(AttributeValue::L(list)), Step::Index(index)) if *index < list.len() => {
            list.remove(*index);
        }
        _ => {}
    }
}

fn wrong_type() -> ApiError {
    validation("An operand in the update expression has an incorrect data type")
}

fn no_attribute() -> ApiError {
    validation("The provided expression refers to an attribute that does not exist in the item")
}
