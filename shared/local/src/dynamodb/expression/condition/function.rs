//! The functions in conditions.

use super::super::cursor::{Cursor, Rank, Stop};
use super::super::path::Path;
use super::check::{
    CONDITION_FUNCTIONS, check_count, check_distinct, check_type, literal_type, report_misplaced, report_type,
};
use super::{Condition, Operand, REFUSED, arguments, compare, is_operator};
use crate::dynamodb::value::{AttributeValue, is_type_name};

/// Only `size` yields something to compare.
pub(super) fn function_in_operand(cursor: &mut Cursor<'_>, name: &str) -> Result<Operand, Stop> {
    cursor.count_operator()?;
    cursor.advance();
    let mut arguments = arguments(cursor)?;
    if name != "size" {
        report_misplaced(cursor, name);
    } else if check_count(cursor, name, &arguments, 1) {
        let measured = arguments.remove(0);
        check_type(cursor, name, &measured, &["S", "B", "SS", "NS", "BS", "L", "M"]);
        return Ok(Operand::Size(Box::new(measured)));
    }
    Ok(Operand::Value(AttributeValue::Null))
}

/// A function that is a condition by itself.
pub(super) fn function_alone(cursor: &mut Cursor<'_>, name: &str) -> Result<Condition, Stop> {
    cursor.count_operator()?;
    cursor.advance();
    let arguments = arguments(cursor)?;
    if is_operator(cursor.peek()) {
        report_misplaced(cursor, name);
        return compare(cursor, Operand::Value(AttributeValue::Null));
    }
    if !CONDITION_FUNCTIONS.contains(&name) {
        report_misplaced(cursor, name);
        return Ok(REFUSED);
    }
    Ok(function(cursor, name, arguments).unwrap_or(REFUSED))
}

/// `None` if a problem was reported.
fn function(cursor: &mut Cursor<'_>, name: &str, mut arguments: Vec<Operand>) -> Option<Condition> {
    let count = if name.ends_with("exists") { 1 } else { 2 };
    if !check_count(cursor, name, &arguments, count) {
        return None;
    }
    let first = arguments.remove(0);
    let Some(second) = arguments.pop() else {
        let path = existing(cursor, name, first)?;
        return Some(if name == "attribute_exists" {
            Condition::Exists(path)
        } else {
            Condition::Missing(path)
        });
    };
    check_distinct(cursor, name, &first, &second);
    match name {
        "contains" => Some(Condition::Contains(first, second)),
        "begins_with" => {
            check_type(cursor, name, &first, &["S", "B"]);
            check_type(cursor, name, &second, &["S", "B"]);
            Some(Condition::BeginsWith(first, second))
        }
        _ => Some(Condition::IsType(first, wanted_type(cursor, second)?)),
    }
}

fn existing(cursor: &mut Cursor<'_>, name: &str, argument: Operand) -> Option<Path> {
    let Operand::Path(path) = argument else {
        let problem = format!("Operator or function requires a document path; operator or function: {name}");
        cursor.report(Rank::OperandType, problem);
        return None;
    };
    Some(path)
}

/// The type must stand in the request; an attribute of the item can't name it.
fn wanted_type(cursor: &mut Cursor<'_>, argument: Operand) -> Option<String> {
    match argument {
        Operand::Value(AttributeValue::S(name)) if is_type_name(&name) => Some(name),
        Operand::Value(AttributeValue::S(name)) => {
            let problem = format!(
                "Invalid attribute type name found; type: {name}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}"
            );
            cursor.report(Rank::OperandType, problem);
            None
        }
        other => {
            let found = literal_type(&other).unwrap_or("{NS,SS,L,BS,N,M,B,BOOL,NULL,S}");
            report_type(cursor, "attribute_type", found);
            None
        }
    }
}
