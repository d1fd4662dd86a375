//! Who calls. A placeholder: a real application gets the caller from its identity provider, for example from a verified JWT.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};

use crate::problem::Problem;

/// A longer name would leave the message's key too little room.
const LONGEST_NAME: usize = 64;

/// The callers and the digests of their tokens. It holds no token, so no log line or error can show one.
pub(crate) struct Callers(Vec<(Caller, Vec<u8>)>);

/// The name of an authenticated caller: letters, digits and `-`, so that it is legal in a key and as a message group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller(String);

impl Caller {
    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

impl Callers {
    /// Callers from text such as `ada=TOKEN,bob=TOKEN`.
    ///
    /// An error continues the name of its variable, and quotes no token.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut callers: Vec<(Caller, Vec<u8>)> = Vec::new();
        for (position, pair) in text.split(',').enumerate() {
            let wrong = |problem: &str| format!("has an invalid entry {}: {problem}", position + 1);
            let (name, token) = pair.split_once('=').ok_or_else(|| wrong("it is not NAME=TOKEN"))?;
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            if !(1..=LONGEST_NAME).contains(&name.len()) || !name.bytes().all(is_plain) {
                return Err(wrong("a name has 1 to 64 letters, digits and '-'"));
            }
            if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(wrong("a token has one or more visible ASCII characters"));
            }
            let digest = digest(token);
            if callers
                .iter()
                .any(|(other, of_other)| other.0 == name || *of_other == digest)
            {
                return Err(wrong("its name or its token is that of an earlier entry"));
            }
            callers.push((Caller(name.to_owned()), digest));
        }
        Ok(Self(callers))
    }

    /// The caller whose token this request has.
    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let token = match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok().and_then(bearer),
            _ => None,
        };
        // Digests are compared, so the time that it takes shows nothing of a token.
        let digest = token.map(digest);
        let caller = digest.and_then(|digest| self.0.iter().find(|(_, known)| *known == digest));
        let unknown = || {
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "send a known token: Authorization: Bearer TOKEN",
            )
        };
        caller.map(|(caller, _)| caller.clone()).ok_or_else(unknown)
    }
}

/// The token of `Bearer TOKEN`; the scheme in any case (RFC 9110, section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn digest(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> String {
        Callers::parse(text).err().unwrap()
    }

    #[test]
    fn entries_that_name_no_caller_are_refused() {
        assert!(why("").ends_with("entry 1: it is not NAME=TOKEN"));
        assert!(why("ada=t-1,bob").ends_with("entry 2: it is not NAME=TOKEN"));
        for text in ["=t", "a/b=t", "ä=t", &format!("{}=t", "a".repeat(65))] {
            assert!(why(text).contains("a name has"), "{text}");
        }
        for text in ["ada=", "ada=a b", "ada=ä"] {
            assert!(why(text).contains("a token has"), "{text}");
        }
    }

    #[test]
    fn a_token_is_one_callers_and_never_quoted() {
        for text in ["ada=secret,bob=secret", "ada=secret,ada=other"] {
            let why = why(text);
            assert!(why.contains("earlier entry") && !why.contains("secret"), "{why}");
        }
        assert!(!why("ada=sec ret").contains("sec"));
    }
}
