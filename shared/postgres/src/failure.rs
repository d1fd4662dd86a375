//! What a failed request means.

use std::error::Error as _;

use idempotency::{Key, StoreError};
use tokio_postgres::Error;
use tokio_postgres::error::DbError;

use crate::connector::TlsError;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What a failed request means, by its SQLSTATE
/// ([error codes](https://www.postgresql.org/docs/current/errcodes-appendix.html)). `about` names the table, the write or the server that it
/// was for.
pub(crate) fn failure(error: &Error, key: Option<&Key>, about: &str) -> StoreError {
    let Some(refused) = error.as_db_error() else {
        return without_code(error, about);
    };
    let text = described(refused, about);
    match (refused.code().code(), key) {
        ("40001" | "40P01" | "55P03", Some(key)) => conflict(key),
        (code, _) => kind(code)(text.into()),
    }
}

/// The error of a change that another request was in the way of.
pub(crate) fn conflict(key: &Key) -> StoreError {
    StoreError::Conflict {
        id: key.record_id().to_owned(),
    }
}

fn kind(code: &str) -> fn(Cause) -> StoreError {
    match (code, &code[..2.min(code.len())]) {
        // A statement and its parameters do not fit each other.
        ("08P01", _) => StoreError::Refused,
        // Conflicts outside a change; and a server that became a standby: the next connection finds the new primary.
        ("40001" | "40P01" | "55P03" | "25006", _) => StoreError::NoAnswer,
        // A timeout of the server, or an operator, ended the statement or the transaction: nothing was applied.
        ("57014" | "25P02" | "25P03" | "25P04", _) => StoreError::NoAnswer,
        // Too many connections, no memory, no space.
        (_, "53") => StoreError::Throttled,
        // Connection lost, server stops or starts, I/O error, internal error.
        (_, "08" | "57" | "58" | "XX") => StoreError::NoAnswer,
        _ => StoreError::Refused,
    }
}

/// An error of the connection, or of the client.
fn without_code(error: &Error, about: &str) -> StoreError {
    let causes: Vec<_> = std::iter::successors(error.source(), |&error| error.source()).collect();
    let is_final = match causes.iter().find_map(|cause| cause.downcast_ref::<TlsError>()) {
        Some(tls) => tls.is_final,
        // tokio-postgres does not publish the kind of its errors.
        None => FINAL.iter().any(|text| error.to_string().starts_with(text)),
    };
    let mut text = error.to_string();
    for cause in causes {
        text += ": ";
        text += &cause.to_string();
    }
    if text.contains("server does not support TLS") {
        text += "; add ?sslmode=disable to the URL if the server is on this machine or in a trusted network";
    }
    match is_final {
        true => StoreError::Refused(format!("{text} ({about})").into()),
        false => StoreError::NoAnswer(format!("{text} ({about})").into()),
    }
}

/// Errors of tokio-postgres that another attempt would have, too.
const FINAL: [&str; 5] = [
    "error performing TLS handshake",
    "authentication error",
    "invalid configuration",
    "error encoding message",
    "error serializing parameter",
];

/// PostgreSQL's own message and code, without its detail, which may show the content of a row.
pub(crate) fn described(error: &DbError, about: &str) -> String {
    let code = error.code().code();
    let hint = hint(code).map_or(String::new(), |hint| format!("; {hint}"));
    // The messages of data exceptions quote the value.
    let message = match code.starts_with("22") {
        true => "a value can't be used",
        false => error.message(),
    };
    format!("{message} (SQLSTATE {code}, {about}){hint}")
}

fn hint(code: &str) -> Option<&'static str> {
    match code {
        "42P01" => Some("if it is the ledger's table, create it with `operator schema`"),
        "42703" => Some("if it is the ledger's table, compare it with schema.sql"),
        "42501" => Some("grant the role SELECT, INSERT, UPDATE and DELETE on the tables that it uses"),
        "42P18" => Some("state the type of the parameter, such as $1::bigint, or bind fewer values"),
        "08P01" => Some("bind a value for each parameter of the statement"),
        "28P01" | "28000" => Some("check user, password and sslmode in the URL, and pg_hba.conf"),
        "3D000" => Some("check the database in the URL"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(code: &str) -> String {
        let error = kind(code)("why".into());
        let text = format!("{error:?}");
        text.split('(').next().unwrap().to_owned()
    }

    #[test]
    fn a_code_states_whether_another_try_may_succeed() {
        for code in [
            "57P01", "57P03", "08006", "57014", "25006", "25P03", "58030", "XX000", "40001",
        ] {
            assert_eq!(is(code), "NoAnswer", "{code}");
        }
        for code in ["53300", "53100", "53200"] {
            assert_eq!(is(code), "Throttled", "{code}");
        }
        for code in ["42P01", "42501", "28P01", "3D000", "08P01", "0A000", "22021", "?", ""] {
            assert_eq!(is(code), "Refused", "{code}");
        }
    }
}
