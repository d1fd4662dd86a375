//! Servers with certificates of authorities that are not compiled in. A process loads what it trusts once, from its
//! environment: each request is made in a process of its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use aws::{https_client, sdk_config};
use aws_smithy_types::base64;
use aws_smithy_types::body::SdkBody;
use http::Request;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsAcceptor;

const HOST: &str = "127.0.0.1";

const ANSWERED: &str = "answered";

/// A certificate authority, and the PEM file with its certificate.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let file = pem_file(name, params.self_signed(&key).unwrap().der());
        let issuer = Issuer::new(params, key);
        Self { issuer, file }
    }

    /// The URL of a server with a certificate that this authority has issued; `edit` changes it.
    async fn server(&self, edit: impl FnOnce(&mut CertificateParams)) -> String {
        let mut params = CertificateParams::new([HOST.to_owned()]).unwrap();
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        serve(certificate.der().clone(), &key).await
    }
}

fn pem_file(name: &str, certificate: &CertificateDer<'_>) -> String {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.pem"));
    let content = base64::encode(certificate);
    let text = format!("-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----\n");
    std::fs::write(&file, text).unwrap();
    file.into_os_string().into_string().unwrap()
}

/// Starts a server that answers all requests with credentials, and returns its URL.
async fn serve(certificate: CertificateDer<'static>, key: &KeyPair) -> String {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((HOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut client = acceptor.accept(client).await?;
                // The whole request, because it is small.
                if client.read(&mut [0; 16 * 1024]).await? == 0 {
                    return Ok(());
                }
                let body =
                    r#"{"AccessKeyId":"a","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}"#;
                let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}", body.len());
                client.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await?;
                client.shutdown().await
            });
        }
    });
    format!("https://{HOST}:{port}")
}

/// Who makes a request: a handler, the SDK, or the SDK's provider of credentials.
#[derive(Debug, Clone, Copy)]
enum Client {
    Handler,
    Sdk,
    Credentials,
}

/// The outcome of a request to the URL in a process with these variables: that it was answered, or the error and its causes.
async fn outcome(client: Client, url: &str, variables: &[(&str, &str)]) -> String {
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", "makes_a_request", "--ignored", "--nocapture"]);
    process.env_clear().envs(variables.iter().copied());
    match client {
        Client::Handler => process.env("REQUESTED_URL", url),
        Client::Sdk => process.envs([("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s")]),
        Client::Credentials => process.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{url}/credentials")),
    };
    process.envs([("AWS_ENDPOINT_URL", url), ("AWS_REGION", "us-east-1")]);
    let output = spawn_blocking(move || process.output().unwrap()).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let outcome = text.lines().find_map(|line| line.strip_prefix("outcome: "));
    outcome.unwrap_or_else(|| panic!("{output:?}")).to_owned()
}

#[tokio::test]
#[ignore = "the other tests run it, in processes of their own"]
async fn makes_a_request() {
    let outcome = match std::env::var("REQUESTED_URL") {
        Ok(url) => {
            let request = Request::get(url).body(SdkBody::empty()).unwrap();
            https_client()
                .request(request)
                .await
                .map(drop)
                .map_err(|error| chain(&error))
        }
        Err(_) => {
            let client = aws_sdk_dynamodb::Client::new(&sdk_config(Duration::from_secs(10)).await);
            client
                .list_tables()
                .send()
                .await
                .map(drop)
                .map_err(|error| chain(&error))
        }
    };
    println!("\noutcome: {}", outcome.err().unwrap_or(ANSWERED.to_owned()));
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (**error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn unknown_issuer_is_reported_with_what_to_set() {
    let url = Authority::new("unknown").server(|_| {}).await;
    let other = Authority::new("unknown-other").file;
    let refused = "the certificate of 127.0.0.1 was issued by an authority that is not trusted (unknown issuer); ";
    let hint = "set AWS_CA_BUNDLE or SSL_CERT_FILE to a PEM file with the authority's certificate";
    for client in [Client::Handler, Client::Sdk, Client::Credentials] {
        for variables in [&[][..], &[("AWS_CA_BUNDLE", ""), ("SSL_CERT_FILE", "")]] {
            let outcome = outcome(client, &url, variables).await;
            assert!(
                outcome.ends_with(&format!(": {refused}{hint}")),
                "{client:?}: {outcome}"
            );
        }
    }
    for variable in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
        let outcome = outcome(Client::Sdk, &url, &[(variable, &other)]).await;
        let set = format!("{refused}{hint} (already set, to a file without it: {variable})");
        assert!(outcome.ends_with(&set), "{outcome}");
    }
}

#[tokio::test]
async fn authority_in_a_named_file_is_trusted() {
    let (one, two) = (Authority::new("trusted-one"), Authority::new("trusted-two"));
    let urls = [one.server(|_| {}).await, two.server(|_| {}).await];
    for client in [Client::Handler, Client::Sdk, Client::Credentials] {
        for variables in [
            &[("AWS_CA_BUNDLE", &*one.file)][..],
            &[("SSL_CERT_FILE", &one.file), ("AWS_CA_BUNDLE", "")],
        ] {
            assert_eq!(outcome(client, &urls[0], variables).await, ANSWERED, "{client:?}");
        }
        let both = [("AWS_CA_BUNDLE", &*one.file), ("SSL_CERT_FILE", &two.file)];
        for url in &urls {
            assert_eq!(outcome(client, url, &both).await, ANSWERED, "{client:?}");
        }
    }
}

#[tokio::test]
async fn an_endpoint_of_all_services_counts_where_that_of_one_is_empty() {
    let authority = Authority::new("endpoints");
    let url = authority.server(|_| {}).await;
    for of_service in ["", &url] {
        let variables = [
            ("AWS_CA_BUNDLE", &*authority.file),
            ("AWS_ENDPOINT_URL_DYNAMODB", of_service),
        ];
        assert_eq!(outcome(Client::Sdk, &url, &variables).await, ANSWERED);
    }
    let elsewhere = [("AWS_ENDPOINT_URL_DYNAMODB", "https://127.0.0.1:9")];
    assert_ne!(outcome(Client::Sdk, &url, &elsewhere).await, ANSWERED);
}

#[tokio::test]
async fn other_faults_of_a_certificate_are_reported() {
    let authority = Authority::new("faults");
    let expired = authority.server(|params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let other_name = authority.server(|params| {
        params.subject_alt_names = ["example.com".try_into().unwrap()].map(rcgen::SanType::DnsName).into()
    });
    let of_an_authority = authority.server(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    for (url, reason) in [
        (expired.await, "was refused: certificate expired: verification time "),
        (
            other_name.await,
            "was refused: certificate not valid for name \"127.0.0.1\"; certificate is only valid for DnsName(\"example.com\")",
        ),
        (
            of_an_authority.await,
            "is that of a certificate authority (CA:TRUE), which no server may use (CaUsedAsEndEntity); ",
        ),
    ] {
        let outcome = outcome(Client::Sdk, &url, &[("AWS_CA_BUNDLE", &authority.file)]).await;
        let expected = format!(": the certificate of 127.0.0.1 {reason}");
        assert!(
            outcome.contains(&expected) && !outcome.contains("SSL_CERT_FILE"),
            "{outcome}"
        );
    }
}

#[tokio::test]
async fn self_signed_certificate_in_a_named_file_is_trusted() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([HOST.to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let file = pem_file("self-signed", certificate.der());
    let url = serve(certificate.der().clone(), &key).await;
    assert_eq!(
        outcome(Client::Handler, &url, &[("SSL_CERT_FILE", &file)]).await,
        ANSWERED
    );
}

/// Of a process that has not called `load_roots`.
#[tokio::test]
async fn unusable_file_fails_each_https_request() {
    let authority = Authority::new("unusable");
    let url = authority.server(|_| {}).await;
    let variables = [
        ("AWS_CA_BUNDLE", &*authority.file),
        ("SSL_CERT_FILE", "/nowhere/ca.pem"),
    ];
    for client in [Client::Handler, Client::Sdk] {
        let outcome = outcome(client, &url, &variables).await;
        let expected = ": environment variable SSL_CERT_FILE names \"/nowhere/ca.pem\", which can't be read: ";
        assert!(outcome.contains(expected), "{client:?}: {outcome}");
    }
}
