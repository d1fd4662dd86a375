//! Conditions and filters: from text to a tree.

mod check;
mod evaluate;
mod function;

use super::cursor::{Cursor, Rank, Stop, parse};
use super::path::Path;
use super::placeholders::Placeholders;
use super::token::Token;
use crate::ApiError;
use crate::dynamodb::value::AttributeValue;
use check::{check_between, check_comparison, check_options, report_misused};
use function::{function_alone, function_in_operand};

/// A condition on one item; [`Condition::holds`] evaluates it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Compare(Operand, Comparator, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    Exists(Path),
    Missing(Path),
    IsType(Operand, String),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    Path(Path),
    Value(AttributeValue),
    Size(Box<Self>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What takes the place of a condition whose problem is reported: the expression is refused, so it is never evaluated.
const REFUSED: Condition = Condition::All(Vec::new());

impl Condition {
    /// `member` is the request's member that holds the text, for messages.
    pub(crate) fn parse(member: &str, text: &str, placeholders: &mut Placeholders) -> Result<Self, ApiError> {
        parse(member, text, placeholders, any)
    }
}

fn any(cursor: &mut Cursor<'_>) -> Result<Condition, Stop> {
    series(cursor, "OR", all, Condition::Any)
}

fn all(cursor: &mut Cursor<'_>) -> Result<Condition, Stop> {
    series(cursor, "AND", not, Condition::All)
}

fn series(
    cursor: &mut Cursor<'_>,
    keyword: &str,
    part: impl Fn(&mut Cursor<'_>) -> Result<Condition, Stop>,
    join: impl Fn(Vec<Condition>) -> Condition,
) -> Result<Condition, Stop> {
    let first = part(cursor)?;
    let mut parts = vec![first];
    while cursor.eat_keyword(keyword) {
        cursor.count_operator()?;
        parts.push(part(cursor)?);
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { join(parts) })
}

fn not(cursor: &mut Cursor<'_>) -> Result<Condition, Stop> {
    if !cursor.eat_keyword("NOT") {
        return primary(cursor);
    }
    cursor.count_operator()?;
    Ok(Condition::Not(Box::new(not(cursor)?)))
}

fn primary(cursor: &mut Cursor<'_>) -> Result<Condition, Stop> {
    if cursor.peek() == Token::Symbol("(") && !operand_in_parentheses(cursor) {
        return in_parentheses(cursor);
    }
    match cursor.at_function() {
        Some(name) if name != "size" => function_alone(cursor, name),
        _ => comparison(cursor),
    }
}

/// Whether what the parenthesis here encloses is compared with something: `(a) = :v`.
fn operand_in_parentheses(cursor: &Cursor<'_>) -> bool {
    closing(cursor, 0).is_some_and(|close| is_operator(cursor.peek_at(close + 1)))
}

fn in_parentheses(cursor: &mut Cursor<'_>) -> Result<Condition, Stop> {
    if cursor.peek_at(1) == Token::Symbol("(")
        && let (Some(outer), Some(inner)) = (closing(cursor, 0), closing(cursor, 1))
        && inner + 1 == outer
    {
        cursor.report(Rank::Parentheses, "The expression has redundant parentheses;");
    }
    cursor.count_operator()?;
    cursor.expect("(")?;
    let condition = any(cursor)?;
    cursor.expect(")")?;
    Ok(condition)
}

/// How many places ahead the parenthesis closes that opens `ahead` places ahead.
fn closing(cursor: &Cursor<'_>, ahead: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut place = ahead;
    loop {
        match cursor.peek_at(place) {
            Token::Symbol("(") => depth += 1,
            Token::Symbol(")") if depth == 1 => return Some(place),
            Token::Symbol(")") => depth = depth.checked_sub(1)?,
            Token::End => return None,
            _ => {}
        }
        place += 1;
    }
}

fn comparator(token: Token<'_>) -> Option<Comparator> {
    match token {
        Token::Symbol("=") => Some(Comparator::Equal),
        Token::Symbol("<>") => Some(Comparator::NotEqual),
        Token::Symbol("<") => Some(Comparator::Less),
        Token::Symbol("<=") => Some(Comparator::LessOrEqual),
        Token::Symbol(">") => Some(Comparator::Greater),
        Token::Symbol(">=") => Some(Comparator::GreaterOrEqual),
        _ => None,
    }
}

fn is_operator(token: Token<'_>) -> bool {
    comparator(token).is_some() || token.is_keyword("BETWEEN") || token.is_keyword("IN")
}

fn comparison(cursor: &mut Cursor<'_>) -> Result<Condition, Stop> {
    let left = operand(cursor)?;
    if !is_operator(cursor.peek()) && matches!(left, Operand::Size(_)) {
        report_misused(cursor, "size");
        return Ok(REFUSED);
    }
    compare(cursor, left)
}

fn compare(cursor: &mut Cursor<'_>, left: Operand) -> Result<Condition, Stop> {
    let operator = cursor.peek();
    if !is_operator(operator) {
        return Err(cursor.syntax_error());
    }
    cursor.count_operator()?;
    cursor.advance();
    if let Some(comparator) = comparator(operator) {
        let right = operand(cursor)?;
        check_comparison(cursor, operator.text(), comparator, &left, &right);
        return Ok(Condition::Compare(left, comparator, right));
    }
    if operator.is_keyword("IN") {
        let options = arguments(cursor)?;
        check_options(cursor, &options);
        return Ok(Condition::In(left, options));
    }
    let low = operand(cursor)?;
    cursor.expect_keyword("AND")?;
    let high = operand(cursor)?;
    check_between(cursor, &left, &low, &high);
    Ok(Condition::Between(left, low, high))
}

fn operand(cursor: &mut Cursor<'_>) -> Result<Operand, Stop> {
    if cursor.eat("(") {
        cursor.count_operator()?;
        let inner = operand(cursor)?;
        cursor.expect(")")?;
        return Ok(inner);
    }
    if let Some(name) = cursor.at_function() {
        return function_in_operand(cursor, name);
    }
    match cursor.value() {
        Some(value) => Ok(Operand::Value(value)),
        None => cursor.path().map(Operand::Path),
    }
}

fn arguments(cursor: &mut Cursor<'_>) -> Result<Vec<Operand>, Stop> {
    cursor.expect("(")?;
    let mut arguments = vec![operand(cursor)?];
    while cursor.eat(",") {
        arguments.push(operand(cursor)?);
    }
    cursor.expect(")")?;
    Ok(arguments)
}
