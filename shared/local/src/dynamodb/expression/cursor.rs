//! Walking over an expression's tokens: what all its parsers share.

use super::path::{Path, Step};
use super::placeholders::Placeholders;
use super::reserved::is_reserved;
use super::token::{Placed, Token, tokens};
use crate::ApiError;
use crate::dynamodb::error::validation;
use crate::dynamodb::value::AttributeValue;

/// [Limits of expression parameters](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-expression-parameters).
const MAX_BYTES: usize = 4096;
const MAX_OPERATORS: usize = 300;

/// Why parsing stopped, worded without the expression's name.
pub(super) struct Stop(pub(super) String);

/// What is wrong with an expression whose syntax is right, the gravest first: DynamoDB reports only one problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Parentheses,
    UnknownFunction,
    Misused,
    Reserved,
    Section,
    Undefined,
    Paths,
    OperandCount,
    Distinct,
    OperandType,
}

pub(super) struct Cursor<'a> {
    text: &'a str,
    tokens: Vec<Placed<'a>>,
    position: usize,
    operators: usize,
    problem: Option<(Rank, String)>,
    placeholders: &'a mut Placeholders,
}

/// Parses one expression from its first token to its last. `member` is the request's member, such as
/// `ConditionExpression`.
pub(super) fn parse<T>(
    member: &str,
    text: &str,
    placeholders: &mut Placeholders,
    parser: impl FnOnce(&mut Cursor<'_>) -> Result<T, Stop>,
) -> Result<T, ApiError> {
    let result = match text.len() {
        0 => Err(Stop("The expression can not be empty;".to_owned())),
        size if size > MAX_BYTES => Err(Stop(format!(
            "Expression size has exceeded the maximum allowed size; expression size: {size}"
        ))),
        _ => parse_all(text, placeholders, parser),
    };
    result.map_err(|Stop(reason)| validation(format!("Invalid {member}: {reason}")))
}

fn parse_all<T>(
    text: &str,
    placeholders: &mut Placeholders,
    parser: impl FnOnce(&mut Cursor<'_>) -> Result<T, Stop>,
) -> Result<T, Stop> {
    let mut cursor = Cursor {
        text,
        tokens: tokens(text),
        position: 0,
        operators: 0,
        problem: None,
        placeholders,
    };
    let parsed = parser(&mut cursor)?;
    match cursor.problem.take() {
        _ if cursor.peek() != Token::End => Err(cursor.syntax_error()),
        Some((_, problem)) => Err(Stop(problem)),
        None => Ok(parsed),
    }
}

impl<'a> Cursor<'a> {
    pub(super) fn peek(&self) -> Token<'a> {
        self.peek_at(0)
    }

    /// The token `ahead` places further on.
    pub(super) fn peek_at(&self, ahead: usize) -> Token<'a> {
        self.tokens
            .get(self.position + ahead)
            .map_or(Token::End, |placed| placed.token)
    }

    pub(super) fn advance(&mut self) -> Token<'a> {
        let token = self.peek();
        if token != Token::End {
            self.position += 1;
        }
        token
    }

    pub(super) fn eat(&mut self, symbol: &str) -> bool {
        let found = self.peek() == Token::Symbol(symbol);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn eat_keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek().is_keyword(keyword);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<(), Stop> {
        if self.eat(symbol) {
            Ok(())
        } else {
            Err(self.syntax_error())
        }
    }

    pub(super) fn expect_keyword(&mut self, keyword: &str) -> Result<(), Stop> {
        if self.eat_keyword(keyword) {
            Ok(())
        } else {
            Err(self.syntax_error())
        }
    }

    /// Names the token and, as its place, the text from the token before it to the one after.
    pub(super) fn syntax_error(&self) -> Stop {
        let last = self.tokens.len() - 1;
        let start = self.tokens[self.position.saturating_sub(1)].start;
        let end = self.tokens[(self.position + 1).min(last)].end;
        Stop(format!(
            "Syntax error; token: \"{}\", near: \"{}\"",
            self.peek().text(),
            &self.text[start..end]
        ))
    }

    /// Keeps the problem for the end: an error of syntax further on goes first.
    pub(super) fn report(&mut self, rank: Rank, problem: impl Into<String>) {
        if self.problem.as_ref().is_none_or(|(known, _)| rank < *known) {
            self.problem = Some((rank, problem.into()));
        }
    }

    /// Counts an operator, a function or an opened parenthesis: the limit also bounds how deep a parser recurses.
    pub(super) fn count_operator(&mut self) -> Result<(), Stop> {
        self.operators += 1;
        if self.operators > MAX_OPERATORS {
            return Err(Stop(format!(
                "The expression contains too many operators, functions and parentheses; at most {MAX_OPERATORS} are allowed"
            )));
        }
        Ok(())
    }

    /// Whether a function call comes next: a word and an opening parenthesis.
    pub(super) fn at_function(&self) -> Option<&'a str> {
        match (self.peek(), self.peek_at(1)) {
            (Token::Word(name), Token::Symbol("(")) => Some(name),
            _ => None,
        }
    }

    /// A `:value`, or `None` if something else comes next.
    pub(super) fn value(&mut self) -> Option<AttributeValue> {
        let Token::Value(placeholder) = self.peek() else {
            return None;
        };
        self.advance();
        let value = self.placeholders.value(placeholder);
        if value.is_none() {
            self.report(
                Rank::Undefined,
                format!(
                    "An expression attribute value used in expression is not defined; attribute value: {placeholder}"
                ),
            );
        }
        // The stand-in is never used: the expression is refused.
        Some(value.unwrap_or(AttributeValue::Null))
    }

    pub(super) fn path(&mut self) -> Result<Path, Stop> {
        let root = self.path_name()?;
        let mut steps = Vec::new();
        loop {
            if self.eat(".") {
                steps.push(Step::Name(self.path_name()?));
            } else if self.eat("[") {
                steps.push(Step::Index(self.index()?));
                self.expect("]")?;
            } else {
                return Ok(Path { root, steps });
            }
        }
    }

    fn path_name(&mut self) -> Result<String, Stop> {
        match self.peek() {
            Token::Word(word) => {
                self.advance();
                if is_reserved(word) {
                    let problem = format!("Attribute name is a reserved keyword; reserved keyword: {word}");
                    self.report(Rank::Reserved, problem);
                }
                Ok(word.to_owned())
            }
            Token::Name(placeholder) => {
                self.advance();
                let name = self.placeholders.name(placeholder);
                if name.is_none() {
                    let problem = "An expression attribute name used in the document path is not defined";
                    self.report(Rank::Undefined, format!("{problem}; attribute name: {placeholder}"));
                }
                Ok(name.unwrap_or_default())
            }
            _ => Err(self.syntax_error()),
        }
    }

    fn index(&mut self) -> Result<usize, Stop> {
        let Token::Digits(digits) = self.peek() else {
            return Err(self.syntax_error());
        };
        self.advance();
        let out_of_range = || {
            Stop(format!(
                "List index is not within the allowable range; index: [{digits}]"
            ))
        };
        digits
            .parse::<u32>()
            .ok()
            .and_then(|index| usize::try_from(index).ok())
            .ok_or_else(out_of_range)
    }
}
