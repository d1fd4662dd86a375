//! What is wrong with a condition though its syntax is right.

use super::super::cursor::{Cursor, Rank};
use super::{Comparator, Operand};
use crate::dynamodb::value::AttributeValue;

/// The functions that are conditions by themselves.
pub(super) const CONDITION_FUNCTIONS: [&str; 5] = [
    "attribute_exists",
    "attribute_not_exists",
    "attribute_type",
    "begins_with",
    "contains",
];
const UPDATE_FUNCTIONS: [&str; 2] = ["if_not_exists", "list_append"];
const MAX_OPTIONS: usize = 100;

pub(super) fn check_comparison(
    cursor: &mut Cursor<'_>,
    operator: &str,
    comparator: Comparator,
    left: &Operand,
    right: &Operand,
) {
    check_distinct(cursor, operator, left, right);
    if !matches!(comparator, Comparator::Equal | Comparator::NotEqual) {
        check_type(cursor, operator, left, &["S", "N", "B"]);
        check_type(cursor, operator, right, &["S", "N", "B"]);
    }
}

/// [Limits](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-expression-parameters).
pub(super) fn check_options(cursor: &mut Cursor<'_>, options: &[Operand]) {
    if options.len() > MAX_OPTIONS {
        report_count(cursor, "IN", options.len());
    }
}

pub(super) fn check_between(cursor: &mut Cursor<'_>, subject: &Operand, low: &Operand, high: &Operand) {
    for operand in [subject, low, high] {
        check_type(cursor, "BETWEEN", operand, &["S", "N", "B"]);
    }
    let (Operand::Value(low), Operand::Value(high)) = (low, high) else {
        return;
    };
    let rule = match low.compare(high) {
        Some(order) if order.is_gt() => "upper bound to be greater than or equal to lower bound",
        None if low.type_name() != high.type_name() => "same data type for lower and upper bounds",
        _ => return,
    };
    let shown = |value: &AttributeValue| format!("AttributeValue: {{{}:{}}}", value.type_name(), scalar_text(value));
    let problem = format!(
        "The BETWEEN operator requires {rule}; lower bound operand: {}, upper bound operand: {}",
        shown(low),
        shown(high)
    );
    cursor.report(Rank::OperandType, problem);
}

/// A scalar as DynamoDB's messages show it, without quotes; what has no such form is shown as JSON.
fn scalar_text(value: &AttributeValue) -> String {
    let json = value.to_json();
    let content = &json[value.type_name()];
    content.as_str().map_or_else(|| content.to_string(), str::to_owned)
}

pub(super) fn check_count(cursor: &mut Cursor<'_>, name: &str, arguments: &[Operand], wanted: usize) -> bool {
    if arguments.len() != wanted {
        report_count(cursor, name, arguments.len());
    }
    arguments.len() == wanted
}

pub(super) fn check_distinct(cursor: &mut Cursor<'_>, operator: &str, left: &Operand, right: &Operand) {
    if let (Operand::Path(left), Operand::Path(right)) = (left, right)
        && left == right
    {
        let problem = "The first operand must be distinct from the remaining operands for this operator or function";
        cursor.report(
            Rank::Distinct,
            format!("{problem}; operator: {operator}, first operand: {left}"),
        );
    }
}

/// Only what stands in the request is checked; what an item holds makes a condition false, never an error.
pub(super) fn check_type(cursor: &mut Cursor<'_>, operator: &str, operand: &Operand, allowed: &[&str]) {
    if let Some(found) = literal_type(operand)
        && !allowed.contains(&found)
    {
        report_type(cursor, operator, found);
    }
}

pub(super) fn literal_type(operand: &Operand) -> Option<&'static str> {
    match operand {
        Operand::Path(_) => None,
        Operand::Value(value) => Some(value.type_name()),
        Operand::Size(_) => Some("N"),
    }
}

pub(super) fn report_type(cursor: &mut Cursor<'_>, operator: &str, found: &str) {
    let problem = "Incorrect operand type for operator or function";
    cursor.report(
        Rank::OperandType,
        format!("{problem}; operator or function: {operator}, operand type: {found}"),
    );
}

fn report_count(cursor: &mut Cursor<'_>, operator: &str, count: usize) {
    let problem = "Incorrect number of operands for operator or function";
    let problem = format!("{problem}; operator or function: {operator}, number of operands: {count}");
    cursor.report(Rank::OperandCount, problem);
}

pub(super) fn report_misplaced(cursor: &mut Cursor<'_>, name: &str) {
    if CONDITION_FUNCTIONS.contains(&name) || UPDATE_FUNCTIONS.contains(&name) {
        report_misused(cursor, name);
    } else {
        cursor.report(
            Rank::UnknownFunction,
            format!("Invalid function name; function: {name}"),
        );
    }
}

pub(super) fn report_misused(cursor: &mut Cursor<'_>, name: &str) {
    let problem = format!("The function is not allowed to be used this way in an expression; function: {name}");
    cursor.report(Rank::Misused, problem);
}
