//! Access tokens of a managed identity
//! ([how to use one](https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference)).

use std::time::{Duration, SystemTime};

use aws::{HttpsClient, https_client};
use aws_smithy_types::body::SdkBody;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::fault::Fault;

/// What the token is for: queues of any account, in any cloud.
const RESOURCE: &str = "https%3A%2F%2Fstorage.azure.com%2F";
/// The endpoint of a virtual machine
/// ([IMDS](https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service#managed-identity)).
const VIRTUAL_MACHINE: &str = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01";
/// A token is replaced this long before its end. The endpoints have a new one by then.
const MARGIN: Duration = Duration::from_secs(300);
/// After a failure, no request is made before.
const PAUSE: Duration = Duration::from_secs(1);
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
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// Why there was none, and when.
    failed: Option<(Instant, Fault)>,
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
            state: Mutex::default(),
        }
    }

    /// The value of the header `Authorization`. Requests that need one at the same time wait for the same.
    pub(crate) async fn authorization(&self) -> Result<HeaderValue, Fault> {
        let mut state = self.state.lock().await;
        let now = Instant::now();
        let lasts = |token: &&Token, margin| token.ends > now + margin;
        if let Some(token) = state.token.as_ref().filter(|token| lasts(token, MARGIN)) {
            return Ok(token.authorization.clone());
        }
        let old = state.token.clone().filter(|token| lasts(&token, Duration::ZERO));
        let recent = state.failed.clone().filter(|(at, _)| now < *at + PAUSE);
        let requested = match recent {
            Some((_, fault)) => Err(fault),
            None => self.request().await.inspect_err(|fault| {
                state.failed = Some((Instant::now(), fault.clone()));
            }),
        };
        match (requested, old) {
            (Ok(token), _) => Ok(state.token.insert(token).authorization.clone()),
            // The old one is still good for a while.
            (Err(_), Some(old)) => Ok(old.authorization),
            (Err(why), None) => Err(why.during("managed identity")),
        }
    }

    /// This token was refused: the next request gets a new one.
    pub(crate) async fn forget(&self, refused: &HeaderValue) {
        let mut state = self.state.lock().await;
        state.token = state.token.take().filter(|token| token.authorization != *refused);
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
            // 404, 410 and 429 pass.
            // <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling>
            return Err(match status {
                StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN => Fault::refused(why),
                _ => Fault::unavailable(why),
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
    let end = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(end))?;
    let left = end.duration_since(SystemTime::now()).ok()?;
    let mut authorization = HeaderValue::try_from(format!("Bearer {}", answer.access_token)).ok()?;
    authorization.set_sensitive(true);
    Some(Token {
        authorization,
        ends: Instant::now().checked_add(left)?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex as StdMutex};

    use consumer::SourceFault;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// An endpoint with these answers, in turn, and the heads of the requests that it got.
    async fn endpoint(answers: Vec<(u16, String)>) -> (ManagedIdentity, Arc<StdMutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let requests = Arc::new(StdMutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = vec![0; 4096];
                let size = stream.read(&mut head).await.unwrap();
                seen.lock()
                    .unwrap()
                    .push(String::from_utf8_lossy(&head[..size]).into_owned());
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let header = "h3ader".to_owned();
        let identity = ManagedIdentity::new(Endpoint::Service { url, header }, Some("client-1".to_owned()));
        (identity, requests)
    }

    fn answer(token: &str, seconds: u64) -> (u16, String) {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let answer = serde_json::json!({"access_token": token, "expires_on": (now + seconds).to_string()});
        (200, answer.to_string())
    }

    #[tokio::test]
    async fn a_token_is_used_until_shortly_before_its_end() {
        let (identity, requests) = endpoint(vec![answer("a", 3600)]).await;
        for _ in 0..3 {
            assert_eq!(identity.authorization().await.unwrap(), "Bearer a");
        }
        let requests = requests.lock().unwrap().clone();
        let [request] = &requests[..] else {
            panic!("{requests:?}")
        };
        let url = "GET /token?api-version=2019-08-01&resource=https%3A%2F%2Fstorage.azure.com%2F&client_id=client-1 ";
        assert!(
            request.starts_with(url) && request.contains("x-identity-header: h3ader"),
            "{request}"
        );
    }

    #[tokio::test]
    async fn one_that_ends_soon_is_replaced_if_there_is_another() {
        let (identity, requests) = endpoint(vec![answer("a", 200), (500, String::new()), answer("b", 3600)]).await;
        let mut tokens = Vec::new();
        // The third call does not repeat what failed just before.
        for _ in 0..3 {
            tokens.push(identity.authorization().await.unwrap());
        }
        assert_eq!(tokens, ["Bearer a"; 3]);
        assert_eq!(requests.lock().unwrap().len(), 2);
        identity.state.lock().await.failed = None;
        for _ in 0..2 {
            assert_eq!(identity.authorization().await.unwrap(), "Bearer b");
        }
        assert_eq!(requests.lock().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_refused_token_is_not_used_again() {
        let (identity, _) = endpoint(vec![answer("a", 3600), answer("b", 3600)]).await;
        assert_eq!(identity.authorization().await.unwrap(), "Bearer a");
        identity.forget(&HeaderValue::from_static("Bearer older")).await;
        assert_eq!(identity.authorization().await.unwrap(), "Bearer a");
        identity.forget(&HeaderValue::from_static("Bearer a")).await;
        assert_eq!(identity.authorization().await.unwrap(), "Bearer b");
    }

    #[tokio::test]
    async fn what_the_endpoint_refuses_only_an_operator_can_fix() {
        let huge = "{\"access_token\": \"s3cret\", \"expires_on\": 18446744073709551615}";
        for (status, body, means) in [
            (400, "s3cret", SourceFault::Refused),
            (403, "s3cret", SourceFault::Refused),
            (404, "s3cret", SourceFault::Unavailable),
            (429, "s3cret", SourceFault::Unavailable),
            (500, "s3cret", SourceFault::Unavailable),
            (200, "s3cret", SourceFault::Unavailable),
            (200, huge, SourceFault::Unavailable),
        ] {
            let (identity, _) = endpoint(vec![(status, body.to_owned())]).await;
            let fault = identity.authorization().await.unwrap_err();
            assert!(
                fault.why.starts_with("managed identity: ") && !fault.why.contains("s3cret"),
                "{fault}"
            );
            assert_eq!(fault.means, means, "{status}");
        }
    }
}
