//! Who may call.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use cloud_tasks::{Unverified, Verifier};
use futures_util::future::BoxFuture;

/// How callers are known.
pub(crate) enum Access {
    /// The platform refuses other callers: Cloud Run with IAM, or the loopback interface.
    Platform,
    /// By the bearer token of each request.
    Token(Box<dyn Fn(String) -> BoxFuture<'static, Result<(), Unverified>> + Send + Sync>),
}

impl Access {
    /// By tokens that this verifier accepts.
    pub(crate) fn token(verifier: Verifier) -> Self {
        let verifier = std::sync::Arc::new(verifier);
        Self::Token(Box::new(move |token| {
            let verifier = std::sync::Arc::clone(&verifier);
            Box::pin(async move { verifier.verify(&token).await })
        }))
    }

    /// # Errors
    ///
    /// The caller is refused, or is not known now.
    pub(crate) async fn check(&self, headers: &HeaderMap) -> Result<(), Unverified> {
        match self {
            Self::Platform => Ok(()),
            Self::Token(verify) => match bearer(headers) {
                Some(token) => verify(token.to_owned()).await,
                None => Err(Unverified::Refused("the request has no bearer token".to_owned())),
            },
        }
    }
}

/// The token of the header `Authorization`, whose scheme has no case
/// ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-11.1)). Two such headers are none.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "all of this is tests")]

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let values = values.iter().map(|value| (AUTHORIZATION, value.parse().unwrap()));
        values.collect()
    }

    #[test]
    fn a_token_is_that_of_one_bearer_header() {
        for found in ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c "] {
            assert_eq!(bearer(&headers(&[found])), Some("a.b.c"), "{found}");
        }
        for none in [
            &[][..],
            &[""],
            &["Bearer"],
            &["Bearer "],
            &["Basic a.b.c"],
            &["Bearer a", "Bearer a"],
        ] {
            assert_eq!(bearer(&headers(none)), None, "{none:?}");
        }
    }
}
