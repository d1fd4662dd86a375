//! Updates: from text to a list of actions. [`apply`] is what they do to an item.

mod apply;

use super::cursor::{Cursor, Rank, Stop, parse};
use super::path::{Path, find_clash};
use super::placeholders::Placeholders;
use crate::ApiError;
use crate::dynamodb::value::AttributeValue;

/// An update of one item: [`Update::apply`] makes the new item of the old.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Update {
    actions: Vec<Action>,
}

#[derive(Debug, Clone, PartialEq)]
struct Action {
    path: Path,
    change: Change,
}

#[derive(Debug, Clone, PartialEq)]
enum Change {
    Set(Term),
    Remove,
    Add(AttributeValue),
    Delete(AttributeValue),
}

/// What a `SET` assigns.
#[derive(Debug, Clone, PartialEq)]
enum Term {
    Plain(Operand),
    Plus(Operand, Operand),
    Minus(Operand, Operand),
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Path(Path),
    Value(AttributeValue),
    IfNotExists(Path, Box<Self>),
    ListAppend(Box<Self>, Box<Self>),
}

const SECTIONS: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];

impl Update {
    pub(crate) fn parse(text: &str, placeholders: &mut Placeholders) -> Result<Self, ApiError> {
        parse("UpdateExpression", text, placeholders, sections).map(|actions| Self { actions })
    }

    /// The top-level attributes it changes.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &str> {
        self.actions.iter().map(|action| action.path.root.as_str())
    }
}

fn sections(cursor: &mut Cursor<'_>) -> Result<Vec<Action>, Stop> {
    let mut actions = Vec::new();
    let mut seen = Vec::new();
    while let Some(section) = SECTIONS.into_iter().find(|section| cursor.peek().is_keyword(section)) {
        cursor.advance();
        if seen.contains(&section) {
            let problem = format!("The \"{section}\" section can only be used once in an update expression;");
            cursor.report(Rank::Section, problem);
        }
        seen.push(section);
        actions.push(action(cursor, section)?);
        while cursor.eat(",") {
            actions.push(action(cursor, section)?);
        }
    }
    if actions.is_empty() {
        return Err(cursor.syntax_error());
    }
    if let Some(problem) = find_clash(actions.iter().map(|action| &action.path)) {
        cursor.report(Rank::Paths, problem);
    }
    Ok(actions)
}

fn action(cursor: &mut Cursor<'_>, section: &str) -> Result<Action, Stop> {
    cursor.count_operator()?;
    let path = cursor.path()?;
    let change = match section {
        "SET" => {
            cursor.expect("=")?;
            Change::Set(term(cursor)?)
        }
        "REMOVE" => Change::Remove,
        "ADD" => Change::Add(set_or_number(cursor, section)?),
        _ => Change::Delete(set_or_number(cursor, section)?),
    };
    Ok(Action { path, change })
}

/// The operand of `ADD` (a set or a number) or `DELETE` (a set).
fn set_or_number(cursor: &mut Cursor<'_>, section: &str) -> Result<AttributeValue, Stop> {
    let Some(value) = cursor.value() else {
        return Err(cursor.syntax_error());
    };
    let spelled_out = match value.type_name() {
        "SS" | "NS" | "BS" => return Ok(value),
        "N" if section == "ADD" => return Ok(value),
        "S" => "STRING",
        "N" => "NUMBER",
        "B" => "BINARY",
        "BOOL" => "BOOLEAN",
        "L" => "LIST",
        "M" => "MAP",
        other => other,
    };
    let problem = "Incorrect operand type for operator or function";
    cursor.report(
        Rank::OperandType,
        format!("{problem}; operator: {section}, operand type: {spelled_out}"),
    );
    Ok(value)
}

fn term(cursor: &mut Cursor<'_>) -> Result<Term, Stop> {
    let left = if cursor.eat("(") {
        cursor.count_operator()?;
        let inner = term(cursor)?;
        cursor.expect(")")?;
        match inner {
            Term::Plain(operand) => operand,
            sum => return Ok(sum),
        }
    } else {
        operand(cursor)?
    };
    let sign = cursor.peek().text();
    if !(cursor.eat("+") || cursor.eat("-")) {
        return Ok(Term::Plain(left));
    }
    cursor.count_operator()?;
    let right = operand(cursor)?;
    check_type(cursor, sign, &left, "N");
    check_type(cursor, sign, &right, "N");
    Ok(if sign == "+" {
        Term::Plus(left, right)
    } else {
        Term::Minus(left, right)
    })
}

fn operand(cursor: &mut Cursor<'_>) -> Result<Operand, Stop> {
    if cursor.eat("(") {
        cursor.count_operator()?;
        let inner = operand(cursor)?;
        cursor.expect(")")?;
        return Ok(inner);
    }
    if let Some(name) = cursor.at_function() {
        return function(cursor, name);
    }
    match cursor.value() {
        Some(value) => Ok(Operand::Value(value)),
        None => cursor.path().map(Operand::Path),
    }
}

fn function(cursor: &mut Cursor<'_>, name: &str) -> Result<Operand, Stop> {
    cursor.count_operator()?;
    cursor.advance();
    cursor.expect("(")?;
    let mut arguments = vec![operand(cursor)?];
    while cursor.eat(",") {
        arguments.push(operand(cursor)?);
    }
    cursor.expect(")")?;
    Ok(call(cursor, name, arguments).unwrap_or(Operand::Value(AttributeValue::Null)))
}

/// `None` if a problem was reported.
fn call(cursor: &mut Cursor<'_>, name: &str, arguments: Vec<Operand>) -> Option<Operand> {
    if !["if_not_exists", "list_append"].contains(&name) {
        cursor.report(
            Rank::UnknownFunction,
            format!("Invalid function name; function: {name}"),
        );
        return None;
    }
    let count = arguments.len();
    let Ok([first, second]) = <[Operand; 2]>::try_from(arguments) else {
        let problem = "Incorrect number of operands for operator or function";
        let problem = format!("{problem}; operator or function: {name}, number of operands: {count}");
        cursor.report(Rank::OperandCount, problem);
        return None;
    };
    if name == "if_not_exists" {
        let Operand::Path(path) = first else {
            let problem = format!("Operator or function requires a document path; operator or function: {name}");
            cursor.report(Rank::OperandType, problem);
            return None;
        };
        return Some(Operand::IfNotExists(path, Box::new(second)));
    }
    for argument in [&first, &second] {
        check_type(cursor, name, argument, "L");
        if matches!(argument, Operand::ListAppend(..)) {
            let problem = "The function is not allowed to be used this way in an expression";
            cursor.report(Rank::Misused, format!("{problem}; function: {name}"));
        }
    }
    Some(Operand::ListAppend(Box::new(first), Box::new(second)))
}

/// Checks what stands in the request; what the item holds is checked when the update is applied.
fn check_type(cursor: &mut Cursor<'_>, operator: &str, operand: &Operand, wanted: &str) {
    if let Operand::Value(value) = operand
        && value.type_name() != wanted
    {
        let problem = "Incorrect operand type for operator or function";
        let found = value.type_name();
        cursor.report(
            Rank::OperandType,
            format!("{problem}; operator or function: {operator}, operand type: {found}"),
        );
    }
}
