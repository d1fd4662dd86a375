//! From YAML to nodes, with CloudFormation's short forms (`!Ref X`) written out (`Ref: X`).

use std::borrow::Cow;
use std::collections::HashSet;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::{
    error::Problem,
    node::{Node, Place, Value},
};

/// Deeper than any template; a limit so that a hostile file can't exhaust the stack.
const DEEPEST: usize = 100;

/// The largest template that CloudFormation accepts, in bytes:
/// [quotas](https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html).
const LARGEST: usize = 1024 * 1024;

/// Reads one YAML (or JSON) document.
pub(crate) fn parse(source: &str) -> Result<Node, Problem> {
    if source.len() > LARGEST {
        let reason = format!("a template has at most {LARGEST} bytes, not {}", source.len());
        return Err(syntax(Marker::new(0, 1, 0), reason));
    }
    let mut reader = Reader {
        parser: Parser::new_from_str(source),
        depth: 0,
    };
    let root = loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
            (Event::StreamEnd, span) => return Err(syntax(span.start, "the file is empty")),
            (event, span) => {
                break reader.node(event, span, Place::default())?;
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

    fn node(&mut self, event: Event<'a>, span: Span, place: Place) -> Result<Node, Problem> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(syntax(span.start, format!("nested deeper than {DEEPEST} levels")));
        }
        let (value, tag) = match event {
            Event::Scalar(text, style, _, tag) => (scalar(text, style), tag),
            Event::SequenceStart(_, tag) => (self.list(&place)?, tag),
            Event::MappingStart(_, tag) => (self.map(&place)?, tag),
            // "CloudFormation doesn't support … aliases" (User Guide, "Template format", YAML).
            _ => return Err(syntax(span.start, "CloudFormation supports no YAML aliases")),
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

    fn list(&mut self, place: &Place) -> Result<Value, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, span) => items.push(self.node(event, span, place.item(items.len()))?),
            }
        }
    }

    fn map(&mut self, place: &Place) -> Result<Value, Problem> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        let mut names = HashSet::new();
        loop {
            let (key, start) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Value::Map(entries)),
                (Event::Scalar(key, ..), span) => (key.into_owned(), span.start),
                (_, span) => return Err(syntax(span.start, "a key must be a text")),
            };
            if !names.insert(key.clone()) {
                return Err(syntax(start, format!("duplicate key {key}")));
            }
            let (event, span) = self.next()?;
            let mut node = self.node(event, span, place.key(&key))?;
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
    let (place, line) = (node.place.clone(), node.line);
    Node {
        place,
        line,
        value: Value::Map(vec![(name, node)]),
    }
}

fn syntax(at: Marker, reason: impl Into<String>) -> Problem {
    Problem::Syntax {
        line: at.line(),
        column: at.col() + 1,
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::read;
    use super::*;

    fn json(source: &str) -> serde_json::Value {
        parse(source).unwrap().to_json()
    }

    fn fault(source: &str) -> String {
        read(source).unwrap_err()
    }

    #[test]
    fn a_short_form_reads_as_the_long_one() {
        let short = "[!Ref A, !GetAtt A.Arn, !Sub 'x-${A}', !Join ['-', [a, !Ref B]], !If [C, a, b], !Condition D]";
        let long = "[{Ref: A}, {'Fn::GetAtt': A.Arn}, {'Fn::Sub': 'x-${A}'}, {'Fn::Join': ['-', [a, {Ref: B}]]}, \
                    {'Fn::If': [C, a, b]}, {Condition: D}]";
        assert_eq!(json(short), json(long));
    }

    #[test]
    fn scalars_stay_as_they_are_written() {
        assert_eq!(
            json("[0180, 1.10, yes, 2010-09-09, !!str 7]"),
            serde_json::json!(["0180", "1.10", "yes", "2010-09-09", "7"])
        );
        assert_eq!(
            json("[~, null, '', 'null']"),
            serde_json::json!([null, null, "", "null"])
        );
    }

    #[test]
    fn json_is_read_as_well() {
        assert_eq!(
            json(r#"{"a": ["b", {"Ref": "C"}]}"#),
            serde_json::json!({"a": ["b", {"Ref": "C"}]})
        );
    }

    #[test]
    fn every_node_knows_its_place_and_line() {
        let root = parse("a:\n  b:\n    - x\n    - c: !Ref D\n").unwrap();
        let list = root.get("a").unwrap().get("b").unwrap();
        let c = list.list().unwrap()[1].get("c").unwrap();
        assert_eq!((c.place.to_string().as_str(), c.line), ("a.b[1].c", 4));
        assert_eq!(list.line, 2);
    }

    #[test]
    fn a_syntax_error_names_line_and_column() {
        let message = fault("Resources:\n  A: [1, 2\n  B: 3\n");
        assert!(message.starts_with("t.yaml:3:"), "{message}");
        assert!(message.contains(": not valid YAML: "), "{message}");
    }

    #[test]
    fn a_duplicate_key_is_refused() {
        assert_eq!(
            fault("Resources:\n  A: 1\n  'A': 2\n"),
            "t.yaml:3:3: not valid YAML: duplicate key A"
        );
    }

    #[test]
    fn an_alias_is_refused_as_cloudformation_does() {
        assert_eq!(
            fault("a: &x 1\nb: *x\n"),
            "t.yaml:2:4: not valid YAML: CloudFormation supports no YAML aliases"
        );
    }

    #[test]
    fn an_empty_file_and_a_second_document_are_refused() {
        assert!(fault("# nothing\n").ends_with("the file is empty"));
        assert!(fault("a: 1\n---\nb: 1\n").ends_with("a template is one document"));
    }

    #[test]
    fn a_file_larger_than_cloudformation_accepts_is_refused() {
        let message = fault(&format!("a: {}", "x".repeat(LARGEST)));
        assert_eq!(
            message,
            "t.yaml:1:1: not valid YAML: a template has at most 1048576 bytes, not 1048579"
        );
    }

    #[test]
    fn many_values_below_a_long_key_take_little_memory() {
        // With a path for each, it would be 100 GB.
        let root = parse(&format!("? {}\n: [{}]\n", "k".repeat(400_000), "1,".repeat(250_000))).unwrap();
        let Value::Map(entries) = &root.value else {
            panic!("{root:?}");
        };
        assert_eq!(entries[0].1.list().unwrap().len(), 250_000);
    }

    #[test]
    fn a_mapping_of_very_many_keys_is_read() {
        // Comparing each with each would take minutes.
        let keys: String = (0..120_000).map(|key| format!("{key}: \n")).collect();
        assert_eq!(parse(&keys).unwrap().map().unwrap().len(), 120_000);
    }

    #[test]
    fn a_file_nested_without_end_is_refused() {
        // In brackets, the parser's own limit comes first.
        assert!(fault(&"[".repeat(50_000)).contains("not valid YAML"));
        assert!(fault(&"- ".repeat(50_000)).contains("nested deeper than 100 levels"));
    }
}
