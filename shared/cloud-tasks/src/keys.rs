//! The keys by which Google signs tokens, from its JSON Web Key Set
//! ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)).

use std::collections::HashMap;
use std::time::Duration;

use aws::HttpsClient;
use aws_smithy_types::body::SdkBody;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::{AGE, CACHE_CONTROL};
use http::{HeaderMap, Request};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::Unverified;
use crate::client::exchange;
use crate::headers::text;
use crate::jwt::PublicKey;

/// Google's, by its discovery document.
const GOOGLE: &str = "https://www.googleapis.com/oauth2/v3/certs";
const ANSWER: Duration = Duration::from_secs(3);
/// Keys that were loaded are not loaded again before, whatever key a token names: anyone can name an unknown one.
const SHORTEST: Duration = Duration::from_secs(60);
/// A key that was withdrawn is not used for longer, whatever the reply states.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// After a failure, keys are not loaded again before.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Keys {
    client: HttpsClient,
    url: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    keys: HashMap<String, PublicKey>,
    valid_until: Instant,
    next_load: Instant,
    /// Why the last try to load failed.
    failure: Option<String>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Key {
    kty: String,
    kid: String,
    n: String,
    e: String,
    #[serde(default)]
    alg: Option<String>,
}

impl Keys {
    pub(crate) fn of_google(client: HttpsClient) -> Self {
        Self::at(client, GOOGLE.to_owned())
    }

    /// The keys at this URL. They are loaded when one is needed.
    pub(crate) fn at(client: HttpsClient, url: String) -> Self {
        let now = Instant::now();
        let state = State {
            keys: HashMap::new(),
            valid_until: now,
            next_load: now,
            failure: None,
        };
        Self {
            client,
            url,
            state: Mutex::new(state),
        }
    }

    /// The key with this ID. Tokens that need keys at the same time wait for the same request.
    pub(crate) async fn get(&self, id: &str) -> Result<PublicKey, Unverified> {
        let mut state = self.state.lock().await;
        let now = Instant::now();
        if let Some(key) = state.keys.get(id).filter(|_| now < state.valid_until) {
            return Ok(key.clone());
        }
        if state.next_load <= now {
            match self.load().await {
                Ok((keys, lasts)) => {
                    let loaded = Instant::now();
                    *state = State {
                        keys,
                        valid_until: loaded + lasts,
                        next_load: loaded + SHORTEST,
                        failure: None,
                    };
                }
                Err(why) => {
                    state.next_load = Instant::now() + PAUSE;
                    state.failure = Some(why);
                }
            }
        }
        match (&state.failure, state.keys.get(id)) {
            (Some(why), _) => Err(Unverified::Unavailable(format!(
                "its signature can't be verified: {why}"
            ))),
            (None, Some(key)) => Ok(key.clone()),
            (None, None) => Err(Unverified::Refused("it is signed by an unknown key".to_owned())),
        }
    }

    async fn load(&self) -> Result<(HashMap<String, PublicKey>, Duration), String> {
        let request = Request::get(&self.url).body(SdkBody::empty());
        let request = request.map_err(|error| error.to_string())?;
        let reply = exchange(&self.client, request, ANSWER).await?;
        if !reply.status.is_success() {
            return Err(format!("{} replied {}", self.url, reply.status));
        }
        let set: Option<KeySet> = serde_json::from_slice(&reply.body).ok();
        let keys: HashMap<_, _> = set
            .map(|set| set.keys)
            .unwrap_or_default()
            .into_iter()
            .filter_map(key)
            .collect();
        match keys.is_empty() {
            true => Err(format!("the reply of {} has no key for RS256", self.url)),
            false => Ok((keys, lasts(&reply.headers))),
        }
    }
}

/// `None`: a key of another kind.
fn key(key: serde_json::Value) -> Option<(String, PublicKey)> {
    let key: Key = serde_json::from_value(key).ok()?;
    let is_rs256 = key.kty == "RSA" && key.alg.is_none_or(|alg| alg == "RS256");
    let number = |text: &str| {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Some(bytes[zeros..].to_vec())
    };
    let public = PublicKey {
        modulus: number(&key.n)?,
        exponent: number(&key.e)?,
    };
    is_rs256.then_some((key.kid, public))
}

/// How long the reply may be used, by its `Cache-Control` and its `Age`.
fn lasts(headers: &HeaderMap) -> Duration {
    let directives = text(headers, CACHE_CONTROL.as_str()).unwrap_or_default().split(',');
    let max_age = directives.filter_map(|directive| directive.trim().strip_prefix("max-age=")?.parse::<u64>().ok());
    let age = text(headers, AGE.as_str())
        .and_then(|age| age.parse().ok())
        .unwrap_or(0);
    let seconds = max_age.min().unwrap_or(0).saturating_sub(age);
    Duration::from_secs(seconds).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_last_as_long_as_the_reply_states_within_bounds() {
        for (cache_control, age, seconds) in [
            ("public, max-age=19800, must-revalidate, no-transform", "", 19_800),
            ("max-age=19800", "19000", 800),
            ("max-age=100", "200", 60),
            ("no-store", "", 60),
            ("max-age=999999", "", 86_400),
            ("max-age=x", "", 60),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, cache_control.parse().unwrap());
            headers.insert(AGE, age.parse().unwrap());
            assert_eq!(lasts(&headers), Duration::from_secs(seconds), "{cache_control}");
        }
    }

    #[test]
    fn keys_of_other_kinds_are_left_out() {
        let of = |kty: &str, alg: &str| {
            key(serde_json::json!({"kty": kty, "kid": "k", "n": "AAEC", "e": "AQAB", "alg": alg}))
        };
        let expected = PublicKey {
            modulus: vec![1, 2],
            exponent: vec![1, 0, 1],
        };
        assert_eq!(of("RSA", "RS256"), Some(("k".to_owned(), expected)));
        assert_eq!((of("RSA", "RS512"), of("EC", "RS256")), (None, None));
        assert_eq!(
            key(serde_json::json!({"kty": "EC", "kid": "k", "x": "AA", "y": "AA"})),
            None
        );
    }
}
