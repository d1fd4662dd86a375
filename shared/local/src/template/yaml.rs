//! From YAML to nodes, with CloudFormation's short forms (`!Ref X`) written out (`Ref: X`).

use std::borrow::Cow;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::{
    error::Problem,
    node::{Node, Value},
};

/// Deeper than any template; a limit so that a hostile file can't exhaust the stack.
const DEEPEST: usize = 100;

/// Reads one YAML (or JSON) document.
pub(crate) fn parse(source: &str) -> Result<Node, Problem> {
    let mut reader = Reader {
        parser: Parser::new_from_str(source),
        depth: 0,
    };
    let root = loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
            (Event::StreamEnd, span) => return Err(syntax(span.start, "the file is empty")),
            (event, span) => {
                let root = reader.node(event, span, String::new())?;
                break Node {
                    place: "the template".to_owned(),
                    ..root
                };
            }
        }
    };
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Ok(root),
            (Event::DocumentStart(_), span) => return Err(syntax(span.start, "a template is one document")),
            _ => {}
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Problem> {
        match self.parser.next_event() {
            Some(next) => next.map_err(|error: ScanError| syntax(*error.marker(), error.info())),
            None => Err(syntax(Marker::new(0, 1, 0), "the file ends too early")),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, place: String) -> Result<Node, Problem> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(syntax(span.start, format!("nested deeper than {DEEPEST} levels")));
        }
        let (value, tag) = match event {
            Event::Scalar(text, style, _, tag) => (scalar(text, style), tag),
            Event::SequenceStart(_, tag) => (self.list(&place)?, tag),
            Event::MappingStart(_, tag) => (self.map(&place)?, tag),
            // "CloudFormation doesn't support … aliases" (User Guide, "Template format", YAML).
            _ => return Err(syntax(span.start, "CloudFormation knows no YAML aliases")),
        };
        self.depth -= 1;
        Ok(written_out(
            Node {
                place,
                line: span.start.line(),
                value,
            },
            tag,
        ))
    }

    fn list(&mut self, place: &str) -> Result<Value, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, span) => items.push(self.node(event, span, format!("{place}[{}]", items.len()))?),
            }
        }
    }

    fn map(&mut self, place: &str) -> Result<Value, Problem> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        loop {
            let (key, start) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Value::Map(entries)),
                (Event::Scalar(key, ..), span) => (key.into_owned(), span.start),
                (_, span) => return Err(syntax(span.start, "a key must be a text")),
            };
            if entries.iter().any(|(name, _)| *name == key) {
                return Err(syntax(start, format!("{key} is here twice")));
            }
            let below = if place.is_empty() {
                key.clone()
            } else {
                format!("{place}.{key}")
            };
            let (event, span) = self.next()?;
            let mut node = self.node(event, span, below)?;
            // A block starts on the line below its key; the key's line is where a reader looks.
            node.line = start.line();
            entries.push((key, node));
        }
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> Value {
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" if style == ScalarStyle::Plain => Value::Null,
        _ => Value::Text(text.into_owned()),
    }
}

/// `!Sub x` as `Fn::Sub: x`; only `Ref` and `Condition` have no `Fn::`. YAML's own tags (`!!str`) change nothing.
fn written_out(node: Node, tag: Option<Cow<'_, Tag>>) -> Node {
    let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) else {
        return node;
    };
    let name = match tag.suffix.as_str() {
        plain @ ("Ref" | "Condition") => plain.to_owned(),
        function => format!("Fn::{function}"),
    };
    node.with(Value::Map(vec![(name, node.clone())]))
}

fn syntax(at: Marker, reason: impl Into<String>) -> Problem {
    Problem::Syntax {
        line: at.line(),
        column: at.col() + 1,
        reason: reason.into(),
    }
}
