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
/// Without a token, the metadata server is asked no more often.
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
