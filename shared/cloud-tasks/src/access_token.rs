//! The access token of requests to Google's API, from the metadata server.

use std::time::Duration;

use aws::HttpsClient;
use aws_smithy_types::body::SdkBody;
use http::Request;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::client::exchange;
use crate::create::Fault;

/// Where the metadata server is on Cloud Run, Compute Engine and GKE
/// ([access tokens](https://cloud.google.com/compute/docs/access/authenticate-workloads#curl)).
const METADATA_SERVER: &str = "http://metadata.google.internal";
const PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";
/// It replies from the same machine.
const ANSWER: Duration = Duration::from_secs(3);
/// A token is replaced this long before its end. The metadata server returns the same one until five minutes before.
const BEFORE_END: Duration = Duration::from_secs(225);
/// An old token is used no longer than until this long before its end: a request with it must arrive.
const LAST_USE: Duration = Duration::from_secs(10);
/// After a failure, no request to the metadata server is made before.
const PAUSE: Duration = Duration::from_secs(1);

/// Access tokens of this machine's service account.
#[derive(Debug)]
pub(crate) struct AccessTokens {
    client: HttpsClient,
    server: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    /// Why there was none, and when.
    failed: Option<(Instant, Fault)>,
}

#[derive(Clone)]
struct Token {
    text: String,
    ends: Instant,
}

/// Without the token.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Reply {
    access_token: String,
    /// Seconds.
    expires_in: u64,
}

impl AccessTokens {
    pub(crate) fn new(client: HttpsClient) -> Self {
        Self::of(client, METADATA_SERVER.to_owned())
    }

    /// From the metadata server at this URL.
    pub(crate) fn of(client: HttpsClient, server: String) -> Self {
        Self {
            client,
            server,
            state: Mutex::default(),
        }
    }

    /// A token that is valid. Requests that need one at the same time wait for the same.
    pub(crate) async fn get(&self) -> Result<String, Fault> {
        let mut state = self.state.lock().await;
        let now = Instant::now();
        let lasts = |token: &&Token, margin| now + margin < token.ends;
        if let Some(token) = state.token.as_ref().filter(|token| lasts(token, BEFORE_END)) {
            return Ok(token.text.clone());
        }
        let old = state.token.clone().filter(|token| lasts(&token, LAST_USE));
        let recent = state.failed.clone().filter(|(at, _)| now < *at + PAUSE);
        let fetched = match recent {
            Some((_, fault)) => Err(fault),
            None => self.fetch().await,
        };
        match (fetched, old) {
            (Ok(token), _) => {
                let text = token.text.clone();
                (state.token, state.failed) = (Some(token), None);
                Ok(text)
            }
            (Err(fault), old) => {
                if state.failed.as_ref().is_none_or(|(at, _)| *at + PAUSE <= now) {
                    state.failed = Some((Instant::now(), fault.clone()));
                }
                old.map(|token| token.text).ok_or(fault)
            }
        }
    }

    /// Forgets this token, because the API refused it.
    pub(crate) async fn forget(&self, refused: &str) {
        let mut state = self.state.lock().await;
        state.token.take_if(|token| token.text == refused);
    }

    async fn fetch(&self) -> Result<Token, Fault> {
        let request = Request::get(format!("{}{PATH}", self.server)).header("Metadata-Flavor", "Google");
        let request = request.body(SdkBody::empty());
        let request = request.map_err(|error| Fault::refused(format!("no access token: {error}")))?;
        let before = Instant::now();
        let reply = exchange(&self.client, request, ANSWER).await.map_err(|why| {
            Fault::passing(format!(
                "no access token: {why}; run on Google Cloud with a service account, or use an emulator at an http URL"
            ))
        })?;
        match serde_json::from_slice::<Reply>(&reply.body) {
            Ok(token) if reply.status.is_success() => Ok(Token {
                text: token.access_token,
                ends: before + Duration::from_secs(token.expires_in.min(24 * 60 * 60)),
            }),
            _ if reply.status.as_u16() == 404 => Err(Fault::refused(
                "no access token: this machine has no service account (404 of the metadata server); give it one",
            )),
            _ => Err(Fault::passing(format!(
                "no access token: the metadata server replied {} without one",
                reply.status
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws::https_client;
    use axum::http::{HeaderMap, StatusCode, Uri};
    use tokio::net::TcpListener;

    use super::*;

    /// A metadata server: it gives `token-1`, then `token-2`, each for an hour, unless it has to reply with another status.
    #[derive(Default)]
    struct Metadata {
        status: StatusCode,
        requests: u32,
    }

    async fn metadata() -> (Arc<Mutex<Metadata>>, AccessTokens) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state: Arc<Mutex<Metadata>> = Arc::default();
        let shared = Arc::clone(&state);
        let reply = async move |uri: Uri, headers: HeaderMap| {
            let mut state = shared.lock().unwrap();
            state.requests += 1;
            assert_eq!(
                (uri.path(), &headers["metadata-flavor"]),
                (PATH, &"Google".parse().unwrap())
            );
            let token = serde_json::json!({"access_token": format!("token-{}", state.requests), "expires_in": 3600});
            (state.status, token.to_string())
        };
        let router = axum::Router::new().fallback(reply);
        tokio::spawn(async move { axum::serve(listener, router).await });
        (state, AccessTokens::of(https_client(), url))
    }

    async fn advance(seconds: u64) {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
    }

    #[tokio::test]
    async fn a_token_is_kept_until_shortly_before_its_end() {
        let (metadata, tokens) = metadata().await;
        let all = futures_util::future::join_all((0..20).map(|_| tokens.get())).await;
        assert!(all.into_iter().all(|token| token.as_deref() == Ok("token-1")));
        advance(3600 - 230).await;
        assert_eq!(tokens.get().await.as_deref(), Ok("token-1"));
        advance(10).await;
        assert_eq!(tokens.get().await.as_deref(), Ok("token-2"));
        assert_eq!(metadata.lock().unwrap().requests, 2);
        tokens.forget("token-1").await;
        assert_eq!(tokens.get().await.as_deref(), Ok("token-2"));
        tokens.forget("token-2").await;
        assert_eq!(tokens.get().await.as_deref(), Ok("token-3"));
    }

    #[tokio::test]
    async fn an_old_token_bridges_a_failure_until_its_end() {
        let (metadata, tokens) = metadata().await;
        tokens.get().await.unwrap();
        metadata.lock().unwrap().status = StatusCode::SERVICE_UNAVAILABLE;
        advance(3600 - 100).await;
        for _ in 0..3 {
            assert_eq!(tokens.get().await.as_deref(), Ok("token-1"));
        }
        // Not requested for each message.
        assert_eq!(metadata.lock().unwrap().requests, 2);
        advance(95).await;
        let fault = tokens.get().await.unwrap_err();
        assert!(fault.passes && fault.to_string().contains("503"), "{fault}");
        advance(2).await;
        metadata.lock().unwrap().status = StatusCode::OK;
        assert_eq!(tokens.get().await.as_deref(), Ok("token-4"));
    }

    #[tokio::test]
    async fn a_machine_without_a_service_account_is_refused() {
        let (metadata, tokens) = metadata().await;
        metadata.lock().unwrap().status = StatusCode::NOT_FOUND;
        let fault = tokens.get().await.unwrap_err();
        assert!(
            !fault.passes && fault.to_string().contains("no service account"),
            "{fault}"
        );
    }

    #[test]
    fn a_token_is_in_no_debug_text() {
        let token = Token {
            text: "secret".to_owned(),
            ends: Instant::now(),
        };
        assert!(!format!("{token:?}").contains("secret"));
    }
}
