//! The keys by which Google signs tokens, from its JSON Web Key Set
//! ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws::HttpsClient;
use aws_smithy_types::body::SdkBody;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::{AGE, CACHE_CONTROL};
use http::{HeaderMap, Request};
use serde::Deserialize;
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
    /// Held for a moment: a token with a known key does not wait while keys are loaded.
    known: Mutex<Known>,
    /// Held while keys are loaded.
    loading: tokio::sync::Mutex<Loading>,
}

#[derive(Debug)]
struct Known {
    keys: HashMap<String, PublicKey>,
    valid_until: Instant,
}

#[derive(Debug)]
struct Loading {
    next: Instant,
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
        let known = Known {
            keys: HashMap::new(),
            valid_until: now,
        };
        let loading = Loading {
            next: now,
            failure: None,
        };
        Self {
            client,
            url,
            known: Mutex::new(known),
            loading: tokio::sync::Mutex::new(loading),
        }
    }

    /// The key with this ID. Tokens that need keys at the same time wait for the same request.
    pub(crate) async fn get(&self, id: &str) -> Result<PublicKey, Unverified> {
        if let Some(key) = self.known(id) {
            return Ok(key);
        }
        let mut loading = self.loading.lock().await;
        // Another token may have waited for it before.
        if let Some(key) = self.known(id) {
            return Ok(key);
        }
        let unavailable = |why: &str| Unverified::Unavailable(format!("its signature can't be verified: {why}"));
        if Instant::now() < loading.next {
            let why = loading.failure.as_deref();
            return Err(unavailable(
                why.unwrap_or("its key is unknown, and keys were loaded less than a minute ago"),
            ));
        }
        match self.load().await {
            Ok((keys, lasts)) => {
                let now = Instant::now();
                *loading = Loading {
                    next: now + SHORTEST,
                    failure: None,
                };
                let key = keys.get(id).cloned();
                *self.lock() = Known {
                    keys,
                    valid_until: now + lasts,
                };
                key.ok_or_else(|| Unverified::Refused("it is signed by an unknown key".to_owned()))
            }
            Err(why) => {
                let refusal = unavailable(&why);
                *loading = Loading {
                    next: Instant::now() + PAUSE,
                    failure: Some(why),
                };
                Err(refusal)
            }
        }
    }

    /// A key that is known and valid.
    fn known(&self, id: &str) -> Option<PublicKey> {
        let known = self.lock();
        known
            .keys
            .get(id)
            .filter(|_| Instant::now() < known.valid_until)
            .cloned()
    }

    /// A panic can't leave half a change behind, so a poisoned lock is usable.
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
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
