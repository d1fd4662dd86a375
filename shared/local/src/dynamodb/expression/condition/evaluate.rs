//! Conditions against an item.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Comparator, Condition, Operand};
use crate::dynamodb::number::Number;
use crate::dynamodb::value::{AttributeValue, Item};

impl Condition {
    /// Whether the item satisfies it; an item that doesn't exist is an empty one.
    ///
    /// Any comparison with a missing attribute is false, except that `<>` is true: it is the negation of `=`.
    pub(crate) fn holds(&self, item: &Item) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(item)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(item)),
            Self::Not(part) => !part.holds(item),
            Self::Exists(path) => path.get(item).is_some(),
            Self::Missing(path) => path.get(item).is_none(),
            Self::Compare(left, comparator, right) => compare(left, *comparator, right, item),
            Self::Between(subject, low, high) => {
                compare(subject, Comparator::GreaterOrEqual, low, item)
                    && compare(subject, Comparator::LessOrEqual, high, item)
            }
            Self::In(subject, options) => options
                .iter()
                .any(|option| compare(subject, Comparator::Equal, option, item)),
            Self::IsType(subject, name) => subject.value(item).is_some_and(|value| value.type_name() == name),
            Self::BeginsWith(whole, prefix) => both(whole, prefix, item, begins_with),
            Self::Contains(whole, part) => both(whole, part, item, contains),
        }
    }
}

impl Operand {
    fn value<'a>(&'a self, item: &'a Item) -> Option<Cow<'a, AttributeValue>> {
        match self {
            Self::Path(path) => path.get(item).map(Cow::Borrowed),
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Size(operand) => {
                let size = size(operand.value(item)?.as_ref())?;
                Some(Cow::Owned(AttributeValue::N(Number::count(size))))
            }
        }
    }
}

impl AttributeValue {
    /// `None` if the two are of different types, or of one that has no order.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::S(left), Self::S(right)) => Some(left.cmp(right)),
            (Self::N(left), Self::N(right)) => Some(left.cmp(right)),
            (Self::B(left), Self::B(right)) => Some(left.cmp(right)),
            _ => None,
        }
    }
}

fn both(left: &Operand, right: &Operand, item: &Item, test: impl Fn(&AttributeValue, &AttributeValue) -> bool) -> bool {
    match (left.value(item), right.value(item)) {
        (Some(left), Some(right)) => test(&left, &right),
        _ => false,
    }
}

fn compare(left: &Operand, comparator: Comparator, right: &Operand, item: &Item) -> bool {
    let ordered = |wanted: fn(Ordering) -> bool| both(left, right, item, |l, r| l.compare(r).is_some_and(wanted));
    match comparator {
        Comparator::Equal => both(left, right, item, |left, right| left == right),
        Comparator::NotEqual => !both(left, right, item, |left, right| left == right),
        Comparator::Less => ordered(Ordering::is_lt),
        Comparator::LessOrEqual => ordered(Ordering::is_le),
        Comparator::Greater => ordered(Ordering::is_gt),
        Comparator::GreaterOrEqual => ordered(Ordering::is_ge),
    }
}

fn begins_with(whole: &AttributeValue, prefix: &AttributeValue) -> bool {
    match (whole, prefix) {
        (AttributeValue::S(whole), AttributeValue::S(prefix)) => whole.starts_with(prefix),
        (AttributeValue::B(whole), AttributeValue::B(prefix)) => whole.starts_with(prefix),
        _ => false,
    }
}

/// Part of a text or of bytes, member of a set, or element of a list, which may be of any type.
fn contains(whole: &AttributeValue, part: &AttributeValue) -> bool {
    match (whole, part) {
        (AttributeValue::S(whole), AttributeValue::S(part)) => whole.contains(part),
        (AttributeValue::B(whole), AttributeValue::B(part)) => {
            part.is_empty() || whole.windows(part.len()).any(|window| window == part)
        }
        (AttributeValue::Ss(set), AttributeValue::S(member)) => set.contains(member),
        (AttributeValue::Ns(set), AttributeValue::N(member)) => set.contains(member),
        (AttributeValue::Bs(set), AttributeValue::B(member)) => set.contains(member),
        (AttributeValue::L(list), element) => list.contains(element),
        _ => false,
    }
}

/// What `size` answers: bytes of a text or of bytes, elements of everything else; scalars have none.
fn size(value: &AttributeValue) -> Option<usize> {
    match value {
        AttributeValue::S(text) => Some(text.len()),
        AttributeValue::B(bytes) => Some(bytes.len()),
        AttributeValue::Ss(set) => Some(set.len()),
        AttributeValue::Ns(set) => Some(set.len()),
        AttributeValue::Bs(set) => Some(set.len()),
        AttributeValue::L(list) => Some(list.len()),
        AttributeValue::M(map) => Some(map.len()),
        AttributeValue::N(_) | AttributeValue::Bool(_) | AttributeValue::Null => None,
    }
}
