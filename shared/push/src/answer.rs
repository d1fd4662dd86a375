//! Answers to platforms.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// How a request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The message leaves its queue: it is done, its dead letter is confirmed, or a delayed copy of it is.
    Acknowledged,
    /// The platform sends the message again.
    Retry,
    /// Nothing was read: the caller did not prove who it is.
    Unauthorized,
    /// It is no pushed message.
    NoMessage,
    /// The body is larger than the limit.
    TooLarge,
    /// The body did not arrive in time.
    Slow,
    /// Another method than POST.
    NoPost,
}

/// The platform that calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    PubSub,
    CloudTasks,
    AzureFunctions,
}

/// The [response payload](https://learn.microsoft.com/en-us/azure/azure-functions/functions-custom-handlers#response-payload)
/// of a function without output bindings.
const RESPONSE: &str = r#"{"Outputs":{},"Logs":[],"ReturnValue":null}"#;

impl Platform {
    /// The answer to a request that ends like this. Each but [`Ending::Acknowledged`] makes the platform send the message again.
    pub(crate) fn answer(self, ending: Ending) -> Response {
        let status = self.status(ending);
        match self {
            Self::PubSub | Self::CloudTasks => status.into_response(),
            // The Functions host waits without end for the body of an answer without JSON.
            Self::AzureFunctions => (status, [(CONTENT_TYPE, "application/json")], RESPONSE).into_response(),
        }
    }

    pub(crate) fn status(self, ending: Ending) -> StatusCode {
        match (ending, self) {
            (Ending::Acknowledged, Self::PubSub) => StatusCode::NO_CONTENT,
            (Ending::Acknowledged, Self::CloudTasks | Self::AzureFunctions) => StatusCode::OK,
            (Ending::Retry, Self::PubSub | Self::AzureFunctions) => StatusCode::INTERNAL_SERVER_ERROR,
            // 429, 503 and a high rate of 5xx would slow down the whole queue.
            (Ending::Retry, Self::CloudTasks) => StatusCode::CONFLICT,
            (Ending::Unauthorized, _) => StatusCode::UNAUTHORIZED,
            (Ending::NoMessage, _) => StatusCode::BAD_REQUEST,
            (Ending::TooLarge, _) => StatusCode::PAYLOAD_TOO_LARGE,
            (Ending::Slow, _) => StatusCode::REQUEST_TIMEOUT,
            (Ending::NoPost, _) => StatusCode::METHOD_NOT_ALLOWED,
        }
    }
}
