//! Secrets from a server on this machine that answers as the extension does.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use consumer::Failure;
use secrets::{Secret, SecretValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::time;

const SECRET: &str = r#"{"Name": "gateway", "SecretString": "sesame", "VersionStages": ["AWSCURRENT"]}"#;

/// Answers each request with the next of its texts, the last one for ever, and passes requests on.
struct Extension {
    port: u16,
    requests: mpsc::UnboundedReceiver<String>,
    calls: Arc<AtomicUsize>,
    /// An answer takes a permit.
    permits: Arc<Semaphore>,
}

impl Extension {
    async fn start(answers: &[String]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, requests) = mpsc::unbounded_channel();
        let (calls, permits) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(1000)));
        let (counter, gate, answers) = (Arc::clone(&calls), Arc::clone(&permits), answers.to_vec());
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let (sender, counter, gate, answers) = (sender.clone(), counter.clone(), gate.clone(), answers.clone());
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") && connection.read_buf(&mut request).await.unwrap() > 0 {}
                    let number = counter.fetch_add(1, Ordering::SeqCst);
                    gate.acquire().await.unwrap().forget();
                    let answer = &answers[number.min(answers.len() - 1)];
                    let _ = connection.write_all(answer.as_bytes()).await;
                    let _ = sender.send(String::from_utf8(request).unwrap());
                });
            }
        });
        Self {
            port,
            requests,
            calls,
            permits,
        }
    }

    fn secret(&self, name: &str) -> Secret {
        Secret::at_port(name, self.port, "token-7").unwrap()
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

fn ok(value: &str) -> String {
    answer("200 OK", &SECRET.replace("sesame", value))
}

/// Lets time pass, but not while a request is on its way: paused time would run to the end of its time limit.
async fn pass(time: Duration) {
    time::pause();
    time::advance(time).await;
    time::resume();
}

fn exposed(value: Result<SecretValue, Failure>) -> String {
    value.unwrap().expose().to_owned()
}

#[tokio::test]
async fn a_secret_is_requested_with_name_and_token() {
    let mut extension = Extension::start(&[ok("sesame")]).await;
    let secret = extension.secret("shop/gateway");
    assert_eq!(exposed(secret.get().await), "sesame");
    let request = extension.requests.recv().await.unwrap();
    assert!(
        request.starts_with("GET /secretsmanager/get?secretId=shop%2Fgateway HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request
            .to_lowercase()
            .contains("\r\nx-aws-parameters-secrets-token: token-7\r\n"),
        "{request}"
    );
}

#[tokio::test]
async fn a_parameter_is_requested_decrypted() {
    let body = r#"{"Parameter": {"Name": "/gateway", "Type": "SecureString", "Value": "sesame"}}"#;
    let mut extension = Extension::start(&[answer("200 OK", body)]).await;
    assert_eq!(exposed(extension.secret("ssm:/gateway").get().await), "sesame");
    let request = extension.requests.recv().await.unwrap();
    let expected = "GET /systemsmanager/parameters/get?name=%2Fgateway&withDecryption=true HTTP/1.1\r\n";
    assert!(request.starts_with(expected), "{request}");
}

#[tokio::test]
async fn a_value_is_read_again_after_five_minutes() {
    let extension = Extension::start(&[ok("first"), ok("second")]).await;
    let secret = extension.secret("gateway");
    assert_eq!(exposed(secret.get().await), "first");
    pass(Secret::MAX_AGE - Duration::from_secs(1)).await;
    assert_eq!(
        (exposed(secret.get().await), extension.calls()),
        ("first".to_owned(), 1)
    );
    pass(Duration::from_secs(1)).await;
    assert_eq!(
        (exposed(secret.get().await), extension.calls()),
        ("second".to_owned(), 2)
    );
}

#[tokio::test]
async fn concurrent_first_readers_make_one_call() {
    let extension = Extension::start(&[ok("sesame")]).await;
    let secret = extension.secret("gateway");
    let (one, two, three) = tokio::join!(secret.get(), secret.get(), secret.get());
    assert_eq!([exposed(one), exposed(two), exposed(three)], ["sesame"; 3]);
    assert_eq!(extension.calls(), 1);
}

#[tokio::test]
async fn concurrent_readers_share_a_failure() {
    let extension = Extension::start(&[answer("500 Internal Server Error", ""), ok("sesame")]).await;
    let secret = extension.secret("gateway");
    let (one, two) = tokio::join!(secret.get(), secret.get());
    assert_eq!(one.unwrap_err().to_string(), two.unwrap_err().to_string());
    assert_eq!(extension.calls(), 1);
    assert_eq!(exposed(secret.get().await), "sesame");
}

#[tokio::test]
async fn a_reader_that_is_cancelled_does_not_block_the_next() {
    let extension = Extension::start(&[ok("sesame")]).await;
    extension.permits.forget_permits(1000);
    let secret = extension.secret("gateway");
    let cancelled = async {
        while extension.calls() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = secret.get() => panic!("it has no answer"),
        () = cancelled => {}
    }
    extension.permits.add_permits(1000);
    assert_eq!(exposed(secret.get().await), "sesame");
}

#[tokio::test]
async fn a_refused_value_is_read_again_once() {
    let extension = Extension::start(&[ok("first"), ok("second")]).await;
    let secret = extension.secret("gateway");
    let first = secret.get().await.unwrap();
    assert_eq!(exposed(secret.refresh(&first).await), "first", "it was read just now");
    pass(Secret::MIN_AGE).await;
    let (one, two) = tokio::join!(secret.refresh(&first), secret.refresh(&first));
    assert_eq!([exposed(one), exposed(two)], ["second"; 2]);
    assert_eq!(
        (exposed(secret.get().await), extension.calls()),
        ("second".to_owned(), 2)
    );
}

#[tokio::test]
async fn an_old_value_is_used_while_none_can_be_read() {
    let extension = Extension::start(&[ok("first"), answer("500 Internal Server Error", ""), ok("second")]).await;
    let secret = extension.secret("gateway");
    let first = secret.get().await.unwrap();
    pass(Secret::MAX_AGE).await;
    assert_eq!(exposed(secret.get().await), "first");
    assert_eq!(
        (exposed(secret.get().await), extension.calls()),
        ("first".to_owned(), 2),
        "not read for each message"
    );
    pass(Secret::MIN_AGE).await;
    assert_eq!(
        (exposed(secret.refresh(&first).await), extension.calls()),
        ("second".to_owned(), 3)
    );
}

#[tokio::test]
async fn a_refresh_that_fails_is_a_failure() {
    let extension = Extension::start(&[ok("first"), answer("400 Bad Request", "sesame")]).await;
    let secret = extension.secret("gateway");
    let first = secret.get().await.unwrap();
    pass(Secret::MIN_AGE).await;
    let failure = secret.refresh(&first).await.unwrap_err();
    assert!(
        failure.to_string().contains("the extension answered 400 Bad Request"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_refresh_that_failed_is_repeated_after_ten_seconds() {
    let extension = Extension::start(&[ok("first"), answer("400 Bad Request", ""), ok("second")]).await;
    let secret = extension.secret("gateway");
    let first = secret.get().await.unwrap();
    pass(Secret::MIN_AGE).await;
    let failures = [
        secret.refresh(&first).await.unwrap_err().to_string(),
        secret.refresh(&first).await.unwrap_err().to_string(),
    ];
    assert_eq!(failures[0], failures[1]);
    assert_eq!(extension.calls(), 2, "the first read, and one that failed");
    pass(Secret::MIN_AGE).await;
    assert_eq!(exposed(secret.refresh(&first).await), "second");
}

#[tokio::test]
async fn a_secret_that_is_missing_or_denied_is_a_retry_that_names_it() {
    for status in [
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "500 Internal Server Error",
    ] {
        let extension = Extension::start(&[answer(status, r#"{"SecretString": "sesame"}"#)]).await;
        let failure = extension.secret("shop/gateway").get().await.unwrap_err();
        assert!(!failure.is_permanent(), "{status}");
        assert_eq!(
            failure.to_string(),
            format!(
                "secret \"shop/gateway\" can't be read: the extension answered {status}; check that the secret exists in this region, \
                 and that the function's role has secretsmanager:GetSecretValue, and kms:Decrypt for a key of your own"
            )
        );
    }
    let extension = Extension::start(&[answer("400 Bad Request", "")]).await;
    let failure = extension.secret("ssm:/gateway").get().await.unwrap_err().to_string();
    assert!(failure.starts_with("parameter \"/gateway\" can't be read: ") && failure.contains("ssm:GetParameter"));
}

#[tokio::test]
async fn garbage_is_a_retry_without_the_value() {
    for body in [
        "sesame",
        r#"["sesame"]"#,
        r#"{"SecretString": ["sesame"]}"#,
        r#"{"SecretBinary": "c2VzYW1l"}"#,
        r#"{"SecretString": null, "Note": "sesame"}"#,
        "",
    ] {
        let extension = Extension::start(&[answer("200 OK", body)]).await;
        let failure = extension.secret("gateway").get().await.unwrap_err();
        let why = failure.to_string();
        assert!(
            !failure.is_permanent() && why.starts_with("secret \"gateway\" can't be read: "),
            "{why}"
        );
        assert!(
            !why.contains("sesame") && !why.contains("c2Vz") && !why.contains("token-7"),
            "{why}"
        );
    }
    let cut_off = "HTTP/1.1 200 OK\r\ncontent-length: 900\r\nconnection: close\r\n\r\n{\"SecretString\": \"sesame";
    let extension = Extension::start(&[cut_off.to_owned(), "sesame\r\n\r\n".to_owned()]).await;
    for _ in 0..2 {
        let why = extension.secret("gateway").get().await.unwrap_err().to_string();
        assert!(
            why.starts_with("secret \"gateway\"") && !why.contains("sesame"),
            "{why}"
        );
    }
}

#[tokio::test]
async fn no_extension_is_a_retry_that_says_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let failure = Secret::at_port("gateway", port, "token-7")
        .unwrap()
        .get()
        .await
        .unwrap_err();
    let why = failure.to_string();
    assert!(
        !failure.is_permanent() && why.contains("can't be reached") && why.contains("layer"),
        "{why}"
    );
    assert!(why.contains("SECRETS_FILE") && !why.contains("token-7"), "{why}");
}

/// The time limit is that of the client. Time is paused once the request has arrived.
#[tokio::test]
async fn a_server_that_does_not_answer_is_a_retry() {
    let extension = Extension::start(&[ok("sesame")]).await;
    extension.permits.forget_permits(1000);
    let secret = extension.secret("gateway");
    let arrived = async {
        while extension.calls() == 0 {
            tokio::task::yield_now().await;
        }
        time::pause();
        std::future::pending::<()>().await;
    };
    let failure = tokio::select! {
        value = secret.get() => value.unwrap_err(),
        () = arrived => unreachable!(),
    };
    let why = failure.to_string();
    assert!(
        !failure.is_permanent() && why.contains("did not answer within 5s"),
        "{why}"
    );
}
