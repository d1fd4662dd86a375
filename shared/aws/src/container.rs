//! Credentials from the endpoint that the environment names, as with SnapStart, on ECS and with EKS Pod Identity
//! ([container credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html)).
//!
//! The provider of aws-config would add a second copy of the SDK's request stack to each function.

use std::env;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::attributes::AccountId;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, Result, future};
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::Format;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Request, Uri};
use http_body_util::BodyExt;
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use crate::https::HttpsClient;

pub(crate) const PATH: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
pub(crate) const URL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// The host of a path.
const ECS: &str = "http://169.254.170.2";

/// Three attempts fit the five seconds that the SDK waits for credentials.
const ATTEMPT: Duration = Duration::from_millis(1500);
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(200)];

/// Gets credentials when the SDK needs them: at the first request, and before they expire.
#[derive(Debug)]
pub(crate) struct ContainerCredentials(pub(crate) HttpsClient);

impl ProvideCredentials for ContainerCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

impl ContainerCredentials {
    async fn credentials(&self) -> Result {
        let (uri, token) = (uri()?, token()?);
        let mut pauses = PAUSES.into_iter();
        loop {
            let got = timeout(ATTEMPT, self.get(&uri, token.as_ref())).await;
            let error = match got.unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(ATTEMPT))) {
                Ok(credentials) => return Ok(credentials),
                Err(error) => error,
            };
            match pauses.next() {
                Some(pause) => sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    async fn get(&self, uri: &Uri, token: Option<&HeaderValue>) -> Result {
        let mut request = Request::get(uri).header(ACCEPT, "application/json");
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, token);
        }
        let request = request.body(SdkBody::empty()).map_err(CredentialsError::unhandled)?;
        let answer = self
            .0
            .request(request)
            .await
            .map_err(CredentialsError::provider_error)?;
        let (head, body) = answer.into_parts();
        if !head.status.is_success() {
            let why = format!("the endpoint for credentials answered {}", head.status);
            return Err(CredentialsError::provider_error(why));
        }
        let body = body.collect().await.map_err(CredentialsError::provider_error)?;
        credentials(&body.to_bytes())
    }
}

/// Where the credentials are. Without encryption, only hosts that no other machine can be.
fn uri() -> std::result::Result<Uri, CredentialsError> {
    let url = match env::var(PATH) {
        Ok(path) => format!("{ECS}{path}"),
        Err(_) => env::var(URL).map_err(CredentialsError::not_loaded)?,
    };
    let uri: Uri = url.parse().map_err(CredentialsError::invalid_configuration)?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_local = |ip: IpAddr| {
        ip.is_loopback() || ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"].contains(&&*ip.to_string())
    };
    match uri.scheme_str() == Some("https")
        || host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(is_local)
    {
        true => Ok(uri),
        false => Err(CredentialsError::invalid_configuration(format!(
            "{URL} names a host that can't give credentials without encryption"
        ))),
    }
}

/// A file is read each time: its token is replaced before it expires.
fn token() -> std::result::Result<Option<HeaderValue>, CredentialsError> {
    let token = match (env::var_os(TOKEN_FILE), env::var_os(TOKEN)) {
        (Some(file), _) => std::fs::read(file).map_err(CredentialsError::provider_error)?,
        (None, Some(token)) => token.into_encoded_bytes(),
        (None, None) => return Ok(None),
    };
    let token = HeaderValue::from_bytes(&token).map_err(CredentialsError::invalid_configuration)?;
    Ok(Some(token))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: String,
    account_id: Option<String>,
}

fn credentials(document: &[u8]) -> Result {
    let document: Document = serde_json::from_slice(document).map_err(|error| {
        // Its text may quote a key.
        CredentialsError::unhandled(format!(
            "the answer of the endpoint for credentials is no such document ({:?})",
            error.classify()
        ))
    })?;
    let expiration = DateTime::from_str(&document.expiration, Format::DateTime).map_err(CredentialsError::unhandled)?;
    let expiration = SystemTime::try_from(expiration).map_err(CredentialsError::unhandled)?;
    let mut credentials = Credentials::builder()
        .access_key_id(document.access_key_id)
        .secret_access_key(document.secret_access_key)
        .session_token(document.token)
        .expiry(expiration)
        .provider_name("EcsContainer");
    credentials.set_account_id(document.account_id.map(AccountId::from));
    Ok(credentials.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_with_its_expiration() {
        let document = r#"{"RoleArn":"r","AccessKeyId":"id","SecretAccessKey":"secret","Token":"session",
            "Expiration":"2030-01-02T03:04:05Z"}"#;
        let read = credentials(document.as_bytes()).unwrap();
        assert_eq!(
            (read.access_key_id(), read.secret_access_key(), read.session_token()),
            ("id", "secret", Some("session"))
        );
        let expiry = read.expiry().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(expiry.as_secs(), 1_893_553_445);
    }

    #[test]
    fn a_document_that_is_odd_is_not_quoted() {
        for odd in ["", "{}", r#"{"AccessKeyId":"id","SecretAccessKey":["secret"]}"#] {
            let error = credentials(odd.as_bytes()).unwrap_err();
            let texts = format!("{error:?} {error}");
            assert!(
                !texts.contains("secret\"") && !texts.contains("invalid type"),
                "{texts}"
            );
        }
    }
}
