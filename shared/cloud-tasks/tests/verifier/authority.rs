//! An authority that signs tokens, and their claims.

use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use cloud_tasks::Verifier;
use idempotency::Timestamp;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{RsaEncoding, RsaKeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) const ISSUER: &str = "https://accounts.google.com";
pub(crate) const AUDIENCE: &str = "https://shop.example/tasks";
pub(crate) const ACCOUNT: &str = "push@p-1.iam.gserviceaccount.com";

/// A key of tests only, made by `openssl genpkey -algorithm RSA -outform DER | base64`.
pub(crate) fn key(number: u8) -> RsaKeyPair {
    let text = match number {
        1 => include_str!("../fixtures/key-1.b64"),
        _ => include_str!("../fixtures/key-2.b64"),
    };
    let der = BASE64_STANDARD.decode(text.replace('\n', "")).unwrap();
    RsaKeyPair::from_der(&der).unwrap()
}

pub(crate) fn modulus(key: &RsaKeyPair) -> String {
    let public: PublicKeyComponents<Vec<u8>> = key.public().into();
    BASE64_URL_SAFE_NO_PAD.encode(public.n)
}

/// The authority's keys, at a URL.
#[derive(Clone)]
pub(crate) struct Authority {
    url: String,
    state: Arc<Mutex<State>>,
    /// Held to keep replies back.
    replies: Arc<tokio::sync::Mutex<()>>,
}

struct State {
    status: StatusCode,
    keys: Value,
    requests: u32,
}

impl Authority {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = Self {
            url: format!("http://{}/certs", listener.local_addr().unwrap()),
            state: Arc::new(Mutex::new(State {
                status: StatusCode::OK,
                keys: keys(&["one"]),
                requests: 0,
            })),
            replies: Arc::default(),
        };
        let state = Arc::clone(&authority.state);
        let replies = Arc::clone(&authority.replies);
        let reply = async move || {
            state.lock().unwrap().requests += 1;
            drop(replies.lock().await);
            let state = state.lock().unwrap();
            let cache = [("cache-control", "public, max-age=600")];
            (state.status, cache, state.keys.to_string())
        };
        let router = axum::Router::new().fallback(reply);
        tokio::spawn(async move { axum::serve(listener, router).await });
        authority
    }

    pub(crate) fn verifier(&self) -> Verifier {
        Verifier::new(AUDIENCE, ACCOUNT).with_issuer(ISSUER, &self.url)
    }

    pub(crate) fn set(&self, status: u16, keys: Value) {
        let mut state = self.state.lock().unwrap();
        (state.status, state.keys) = (StatusCode::from_u16(status).unwrap(), keys);
    }

    /// Keeps replies back until the guard is dropped.
    pub(crate) fn hold(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.replies).try_lock_owned().unwrap()
    }

    pub(crate) fn requests(&self) -> u32 {
        self.state.lock().unwrap().requests
    }
}

/// A key set with the first key under these IDs.
pub(crate) fn keys(ids: &[&str]) -> Value {
    let n = modulus(&key(1));
    let keys = ids.iter();
    let keys = keys.map(|id| json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": id, "n": n, "e": "AQAB"}));
    json!({"keys": keys.collect::<Vec<_>>()})
}

pub(crate) fn now() -> u64 {
    Timestamp::now().seconds()
}

/// What Google states of a request of Cloud Tasks.
pub(crate) fn claims() -> Value {
    json!({
        "aud": AUDIENCE, "azp": "1", "email": ACCOUNT, "email_verified": true, "exp": now() + 3600, "iat": now(),
        "iss": ISSUER, "sub": "1",
    })
}

pub(crate) fn part(json: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(json.to_string())
}

pub(crate) fn signed_with(
    key: &RsaKeyPair,
    encoding: &'static dyn RsaEncoding,
    header: &Value,
    claims: &Value,
) -> String {
    let signed = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(encoding, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .unwrap();
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

pub(crate) fn header(algorithm: &str, id: &str) -> Value {
    json!({"alg": algorithm, "kid": id, "typ": "JWT"})
}
