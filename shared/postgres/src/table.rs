//! The ledger's table, quoted.

use std::fmt;

/// PostgreSQL cuts longer names, in bytes
/// ([identifiers](https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS)).
const MAX_NAME_BYTES: usize = 63;

/// What the name of the index has in addition.
const INDEX: &str = "_expiration";

/// The statements of [`create_schema`](crate::PostgresStore::create_schema) for the table `ledger`, for migrations of your own.
pub const SCHEMA: &str = include_str!("../schema.sql");

/// The name of a table, with or without its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    schema: Option<String>,
    name: String,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            schema: None,
            name: "ledger".to_owned(),
        }
    }
}

impl Table {
    /// `ledger`, or `app.ledger` for a table in the schema `app`. `None`: it is no such name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (schema, name) = match name.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, name),
        };
        let is_name = |name: &str, most| !name.is_empty() && name.len() <= most && !name.contains(['\0', '.']);
        let fits = is_name(name, MAX_NAME_BYTES - INDEX.len());
        (fits && schema.is_none_or(|schema| is_name(schema, MAX_NAME_BYTES))).then(|| Self {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
        })
    }

    /// The statements that create the table and its index, unless they exist.
    pub(crate) fn creation(&self) -> String {
        SCHEMA
            .replace("\"ledger_expiration\"", &quoted(&self.index_name()))
            .replace("\"ledger\"", &self.to_string())
    }

    /// The index, as an identifier. It is in the schema of the table.
    pub(crate) fn index(&self) -> String {
        let index = Self {
            schema: self.schema.clone(),
            name: self.index_name(),
        };
        index.to_string()
    }

    fn index_name(&self) -> String {
        format!("{}{INDEX}", self.name)
    }

    /// Its name, as texts and errors show it.
    pub(crate) fn plain(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// As an identifier.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", quoted(schema))?;
        }
        f.write_str(&quoted(&self.name))
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a literal, whatever the server's setting `standard_conforming_strings` is.
pub(crate) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    match quoted.contains('\\') {
        true => format!(" E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str) -> String {
        Table::parse(name).unwrap().to_string()
    }

    #[test]
    fn names_are_quoted_and_never_statements() {
        assert_eq!(shown("ledger"), r#""ledger""#);
        assert_eq!(shown("app.Ledger"), r#""app"."Ledger""#);
        assert_eq!(shown(r#"a"; DROP TABLE b; --"#), r#""a""; DROP TABLE b; --""#);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for name in [
            "",
            ".",
            "a.",
            ".b",
            "a.b.c",
            "a\0",
            &"x".repeat(53),
            &format!("{}.a", "x".repeat(64)),
        ] {
            assert_eq!(Table::parse(name), None, "{name:?}");
        }
        assert!(Table::parse(&"x".repeat(52)).is_some());
    }

    #[test]
    fn the_schema_has_the_name_of_its_table() {
        let creation = Table::parse("app.work").unwrap().creation();
        assert!(
            creation.contains(r#"CREATE TABLE IF NOT EXISTS "app"."work" ("#),
            "{creation}"
        );
        assert!(
            creation.contains(r#"INDEX IF NOT EXISTS "work_expiration" ON "app"."work" ("#),
            "{creation}"
        );
        assert!(!creation.contains("\"ledger"), "{creation}");
    }

    #[test]
    fn literals_end_where_they_should() {
        assert_eq!(literal("a-b"), "'a-b'");
        assert_eq!(literal("a'b"), "'a''b'");
        assert_eq!(literal("a\\'b"), " E'a\\\\''b'");
    }
}
