//! One HTTP request, with its reply read to the end.

use std::time::Duration;

use aws::HttpsClient;
use aws_smithy_types::body::SdkBody;
use consumer::Chain;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use tokio::time::timeout;

/// A longer reply is not one of Google's: a created task is returned without its body.
const MOST_REPLY_BYTES: usize = 1024 * 1024;

/// The reply to a request.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Sends a request, and reads its reply.
///
/// # Errors
///
/// Why there is no complete reply in time. Whether the request took effect is unknown then.
pub(crate) async fn exchange(
    client: &HttpsClient,
    request: Request<SdkBody>,
    limit: Duration,
) -> Result<Reply, String> {
    let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    let exchanged = async {
        let response = client
            .request(request)
            .await
            .map_err(|error| match error.is_connect() {
                true => format!("{host} can't be reached: {}", Chain(&error)),
                false => format!("{host} sent no complete reply: {}", Chain(&error)),
            })?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MOST_REPLY_BYTES).collect().await;
        let body = body.map_err(|error| format!("the reply of {host} can't be read: {error}"))?;
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes().into(),
        })
    };
    let exchanged = timeout(limit, exchanged).await;
    exchanged.unwrap_or_else(|_| Err(format!("{host} did not reply within {limit:?}")))
}
