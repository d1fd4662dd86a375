//! Access tokens of a managed identity
//! ([how to use one](https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference)).

use std::time::{Duration, SystemTime};

use aws::{HttpsClient, https_client};
use aws_smithy_types::body::SdkBody;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::fault::Fault;

/// What the token is for: queues of any account, in any cloud.
const RESOURCE: &str = "https%3A%2F%2Fstorage.azure.com%2F";
/// [The endpoint of a virtual machine](https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token).
const VIRTUAL_MACHINE: &str = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01";
/// A token is replaced so long before its end. The endpoints have a new one by then.
const MARGIN: Duration = Duration::from_secs(300);
const LONGEST_ANSWER: Duration = Duration::from_secs(5);
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Who issues tokens.
#[derive(Debug, Clone)]
pub(crate) enum Endpoint {
    /// App Service, Functions, Container Apps.
    Service {
        url: String,
        header: String,
    },
    VirtualMachine,
}

/// The identity of this process, with its current token.
pub(crate) struct ManagedIdentity {
    url: String,
    /// Its name and value.
    header: (&'static str, String),
    client: HttpsClient,
    token: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    /// The value of the header `Authorization`.
    authorization: HeaderValue,
    ends: Instant,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    /// Seconds since 1970, as number or as text.
    expires_on: Value,
}

impl ManagedIdentity {
    pub(crate) fn new(endpoint: Endpoint, client_id: Option<String>) -> Self {
        let (url, header) = match endpoint {
            Endpoint::Service { url, header } => {
                (format!("{url}?api-version=2019-08-01"), ("x-identity-header", header))
            }
            Endpoint::VirtualMachine => (VIRTUAL_MACHINE.to_owned(), ("metadata", "true".to_owned())),
        };
        let client_id = client_id.map(|id| format!("&client_id={id}")).unwrap_or_default();
        Self {
            url: format!("{url}&resource={RESOURCE}{client_id}"),
            header,
            client: https_client(),
            token: Mutex::new(None),
        }
    }

    /// The value of the header `Authorization`. Others wait for one request.
    pub(crate) async fn authorization(&self) -> Result<HeaderValue, Fault> {
        let mut token = self.token.lock().await;
        let now = Instant::now();
        let is_valid = |token: &Token, margin| token.ends > now + margin;
        if let Some(token) = token.as_ref().filter(|token| is_valid(token, MARGIN)) {
            return Ok(token.authorization.clone());
        }
        match self.request().await {
            Ok(new) => Ok(token.insert(new).authorization.clone()),
            // The old one is still good for a while.
            Err(why) => match token.as_ref().filter(|token| is_valid(token, Duration::ZERO)) {
                Some(token) => Ok(token.authorization.clone()),
                None => Err(why.during("managed identity")),
            },
        }
    }

    /// A token was refused: the next request gets a new one.
    pub(crate) async fn forget(&self) {
        *self.token.lock().await = None;
    }

    async fn request(&self) -> Result<Token, Fault> {
        let request = Request::get(&self.url).header(self.header.0, &self.header.1);
        let request = request.body(SdkBody::empty()).map_err(|_| {
            Fault::refused(
                "IDENTITY_ENDPOINT, IDENTITY_HEADER or AZURE_CLIENT_ID has characters that no request can carry",
            )
        })?;
        let answer = timeout(LONGEST_ANSWER, async {
            let response = self.client.request(request).await.map_err(Fault::of_connection)?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
            Ok::<_, Fault>((status, body.map(|body| body.to_bytes()).unwrap_or_default()))
        });
        let (status, body) = answer.await.unwrap_or_else(|_| Err(Fault::no_answer(LONGEST_ANSWER)))?;
        if !status.is_success() {
            let why = format!("{status}; assign an identity to this process, or set AZURE_STORAGE_CONNECTION_STRING");
            return Err(if status.is_client_error() {
                Fault::refused(why)
            } else {
                Fault::unavailable(why)
            });
        }
        token(&body).ok_or_else(|| Fault::unavailable("its answer has no access token that is valid"))
    }
}

fn token(body: &[u8]) -> Option<Token> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let end = answer
        .expires_on
        .as_u64()
        .or_else(|| answer.expires_on.as_str()?.parse().ok())?;
    let left = (SystemTime::UNIX_EPOCH + Duration::from_secs(end)).duration_since(SystemTime::now());
    let mut authorization = HeaderValue::try_from(format!("Bearer {}", answer.access_token)).ok()?;
    authorization.set_sensitive(true);
    Some(Token {
        authorization,
        ends: Instant::now() + left.ok()?,
    })
}
