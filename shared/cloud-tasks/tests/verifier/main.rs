//! OIDC tokens: what is accepted, and that nothing else is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

mod authority;

use std::time::Duration;

use authority::{ACCOUNT, AUDIENCE, Authority, ISSUER, claims, header, key, keys, modulus, now, part, signed_with};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cloud_tasks::{Unverified, Verifier};
use ring::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA512};
use serde_json::{Value, json};

/// A token that the authority's key has signed, with some claims changed.
fn token(id: &str, changes: &Value) -> String {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    signed_with(&key(1), &RSA_PKCS1_SHA256, &header("RS256", id), &claims)
}

fn refusal(verified: Result<(), Unverified>) -> String {
    match verified {
        Err(Unverified::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn is_unavailable(verified: &Result<(), Unverified>) -> bool {
    matches!(verified, Err(Unverified::Unavailable(_)))
}

#[tokio::test]
async fn a_token_of_the_authority_is_accepted() {
    let authority = Authority::start().await;
    let verifier = authority.verifier();
    verifier.verify(&token("one", &json!({}))).await.unwrap();
    verifier.verify(&token("one", &json!({"nbf": now()}))).await.unwrap();
    // Clocks differ.
    verifier
        .verify(&token("one", &json!({"exp": now() - 5})))
        .await
        .unwrap();
    verifier
        .verify(&token("one", &json!({"iat": now() + 5})))
        .await
        .unwrap();
    assert_eq!(authority.requests(), 1);
}

#[tokio::test]
async fn a_token_with_another_claim_is_refused_without_loading_keys() {
    let authority = Authority::start().await;
    let verifier = authority.verifier();
    for (changes, why) in [
        (json!({"iss": "https://accounts.google.com.evil.example"}), "issuer"),
        (json!({"aud": "https://shop.example/tasks/"}), "audience"),
        (json!({"aud": [AUDIENCE]}), "claims"),
        (json!({"aud": ""}), "audience"),
        (
            json!({"email": "push@p-2.iam.gserviceaccount.com"}),
            "service account is another",
        ),
        (json!({"email": null}), "claims"),
        (json!({"email_verified": false}), "not verified"),
        (json!({"email_verified": "true"}), "claims"),
        (json!({"exp": now() - 60}), "expired"),
        (json!({"exp": null}), "claims"),
        (json!({"exp": 0}), "expired"),
        (json!({"iat": now() + 120}), "not valid yet"),
        (json!({"nbf": now() + 120}), "not valid yet"),
    ] {
        let refused = refusal(verifier.verify(&token("one", &changes)).await);
        assert!(refused.contains(why), "{changes}: {refused}");
    }
    assert_eq!(authority.requests(), 0);
}

#[tokio::test]
async fn a_claim_that_is_missing_is_not_assumed() {
    let verifier = Authority::start().await.verifier();
    for name in ["iss", "aud", "email", "email_verified", "exp"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        let token = signed_with(&key(1), &RSA_PKCS1_SHA256, &header("RS256", "one"), &claims);
        refusal(verifier.verify(&token).await);
    }
}

#[tokio::test]
async fn only_the_algorithm_rs256_is_accepted() {
    let authority = Authority::start().await;
    let verifier = authority.verifier();
    let unsigned = |algorithm: &str| format!("{}.{}", part(&header(algorithm, "one")), part(&claims()));
    let hs256 = || {
        // The public key as the secret of a symmetric signature.
        let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, modulus(&key(1)).as_bytes());
        let signed = unsigned("HS256");
        let signature = ring::hmac::sign(&secret, signed.as_bytes());
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    };
    let rs512 = signed_with(&key(1), &RSA_PKCS1_SHA512, &header("RS512", "one"), &claims());
    let critical = json!({"alg": "RS256", "kid": "one", "crit": ["b64"]});
    let critical = signed_with(&key(1), &RSA_PKCS1_SHA256, &critical, &claims());
    for token in [unsigned("none") + ".", unsigned("None") + ".", hs256(), rs512, critical] {
        assert!(refusal(verifier.verify(&token).await).contains("RS256"), "{token}");
    }
    assert_eq!(authority.requests(), 0);
}

#[tokio::test]
async fn a_signature_of_another_key_or_content_is_refused() {
    let verifier = Authority::start().await.verifier();
    let other = signed_with(&key(2), &RSA_PKCS1_SHA256, &header("RS256", "one"), &claims());
    let good = token("one", &json!({}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header_part, _) = signed.split_once('.').unwrap();
    let moved = format!(
        "{header_part}.{}.{signature}",
        part(&json!({"sub": "2", "aud": AUDIENCE, "email": ACCOUNT,
        "email_verified": true, "exp": now() + 9, "iss": ISSUER}))
    );
    for token in [other, moved, format!("{signed}.")] {
        assert!(refusal(verifier.verify(&token).await).contains("signature"), "{token}");
    }
}

#[tokio::test]
async fn what_is_no_token_is_refused_and_not_quoted() {
    let verifier = Authority::start().await.verifier();
    let long = token("one", &json!({"other": "x".repeat(8000)}));
    assert!(refusal(verifier.verify(&long).await).contains("too long"));
    let list = format!("{}.W10.AA", part(&header("RS256", "one")));
    for token in [
        "",
        "secret",
        "a.b",
        "a.b.c",
        "..",
        "secret.secret.secret",
        &list,
        &"a".repeat(9000),
    ] {
        let why = refusal(verifier.verify(token).await);
        assert!(!why.contains("secret"), "{why}");
    }
}

#[tokio::test]
async fn keys_that_cannot_be_loaded_are_no_refusal_and_no_acceptance() {
    let nowhere = Verifier::new(AUDIENCE, ACCOUNT).with_issuer(ISSUER, "http://127.0.0.1:1/certs");
    assert!(is_unavailable(&nowhere.verify(&token("one", &json!({}))).await));
    for (status, reply) in [
        (503, keys(&["one"])),
        (200, json!({})),
        (200, json!({"keys": []})),
        (200, json!("x")),
    ] {
        let authority = Authority::start().await;
        authority.set(status, reply);
        let verifier = authority.verifier();
        assert!(
            is_unavailable(&verifier.verify(&token("one", &json!({}))).await),
            "{status}"
        );
        // Not again at once, and the same verdict.
        assert!(is_unavailable(&verifier.verify(&token("one", &json!({}))).await));
        assert_eq!(authority.requests(), 1);
    }
}

#[tokio::test]
async fn an_unknown_key_loads_keys_again_once_a_minute() {
    let authority = Authority::start().await;
    let verifier = authority.verifier();
    verifier.verify(&token("one", &json!({}))).await.unwrap();
    authority.set(200, keys(&["one", "two"]));
    // The keys were loaded before that one existed: the request must be sent again.
    assert!(is_unavailable(&verifier.verify(&token("two", &json!({}))).await));
    assert_eq!(authority.requests(), 1);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    verifier.verify(&token("two", &json!({}))).await.unwrap();
    for _ in 0..3 {
        assert!(is_unavailable(&verifier.verify(&token("three", &json!({}))).await));
    }
    assert_eq!(authority.requests(), 2);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    assert!(refusal(verifier.verify(&token("three", &json!({}))).await).contains("unknown key"));
}

#[tokio::test]
async fn keys_are_used_until_their_end_and_no_longer() {
    let authority = Authority::start().await;
    let verifier = authority.verifier();
    verifier.verify(&token("one", &json!({}))).await.unwrap();
    authority.set(503, json!({}));
    let advance = async |seconds| {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
    };
    advance(590).await;
    verifier.verify(&token("one", &json!({}))).await.unwrap();
    // An unknown key, whose keys can't be loaded, spoils no known one.
    assert!(is_unavailable(&verifier.verify(&token("two", &json!({}))).await));
    verifier.verify(&token("one", &json!({}))).await.unwrap();
    advance(20).await;
    assert!(is_unavailable(&verifier.verify(&token("one", &json!({}))).await));
    // A key that was withdrawn is not accepted any more.
    authority.set(200, keys(&["two"]));
    advance(2).await;
    assert!(refusal(verifier.verify(&token("one", &json!({}))).await).contains("unknown key"));
    verifier.verify(&token("two", &json!({}))).await.unwrap();
}

#[tokio::test]
async fn tokens_at_the_same_time_share_one_request_for_keys() {
    let authority = Authority::start().await;
    let verifier = authority.verifier();
    let token = token("one", &json!({}));
    let verified = futures_util::future::join_all((0..20).map(|_| verifier.verify(&token))).await;
    assert!(verified.iter().all(Result::is_ok));
    assert_eq!(authority.requests(), 1);
}

#[tokio::test]
async fn a_token_with_a_known_key_does_not_wait_for_others() {
    let authority = Authority::start().await;
    let verifier = authority.verifier();
    verifier.verify(&token("one", &json!({}))).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    let loading = authority.hold();
    let unknown = token("two", &json!({}));
    let mut unknown = std::pin::pin!(verifier.verify(&unknown));
    // It loads keys, and the authority does not reply.
    while authority.requests() < 2 {
        assert!(futures_util::poll!(&mut unknown).is_pending());
        tokio::task::yield_now().await;
    }
    let known = token("one", &json!({}));
    let verified = tokio::time::timeout(Duration::from_secs(30), verifier.verify(&known)).await;
    verified.unwrap().unwrap();
    drop(loading);
    refusal(unknown.await);
}
