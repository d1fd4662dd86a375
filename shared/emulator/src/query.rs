//! Requests that are not of AWS's JSON protocol, and how they are refused.
//!
//! SDKs of before November 2023 call SQS by its query protocol: a form with an `Action`. It is refused in the shape that they
//! parse, so that their users read why
//! ([which client versions use the JSON protocol](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-json-faqs.html)).

use axum::body::Bytes;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use uuid::Uuid;

/// The version of SQS's API in the query protocol.
const SQS_VERSION: &str = "2012-11-05";

/// The operation of a request in the query protocol.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Query {
    action: String,
    version: Option<String>,
}

impl Query {
    /// The `Action` in the form or in the URL, whatever the content type says; `None`: it is another kind of request.
    pub(crate) fn of(uri: &Uri, body: &[u8]) -> Option<Self> {
        let form = std::str::from_utf8(body).unwrap_or_default();
        let in_url = uri.query().unwrap_or_default();
        // A JSON text begins otherwise, and may hold any of this.
        let form = if form.trim_start().starts_with(['{', '[', '"']) {
            ""
        } else {
            form
        };
        let parameter = |name: &str| {
            let mut pairs = form
                .trim()
                .split('&')
                .chain(in_url.split('&'))
                .filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| readable(value))
        };
        Some(Self {
            action: parameter("Action").filter(|action| !action.is_empty())?,
            version: parameter("Version"),
        })
    }

    /// Status 400 and an `ErrorResponse` of the query protocol.
    pub(crate) fn refusal(&self) -> Response {
        let body = format!(
            "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/{SQS_VERSION}/\"><Error>\
             <Type>Sender</Type><Code>AWS.SimpleQueueService.UnsupportedOperation</Code><Message>{}</Message><Detail/></Error>\
             <RequestId>{}</RequestId></ErrorResponse>\n",
            self.message(),
            Uuid::new_v4()
        );
        (StatusCode::BAD_REQUEST, [("content-type", "text/xml")], body).into_response()
    }

    fn message(&self) -> String {
        let Self { action, version } = self;
        match version.as_deref() {
            None | Some(SQS_VERSION) => format!(
                "the query protocol (Action={action}) is not supported: use a client with SQS's JSON protocol, such as boto3 \
                 1.28.82, AWS CLI 1.29.82, AWS SDK for Java 2.21.19 or later"
            ),
            Some(version) => format!(
                "the local stack serves SQS, DynamoDB and Lambda, and not Action={action} of the API version {version}; point \
                 --endpoint-url at another emulator or at AWS"
            ),
        }
    }
}

/// Only what can stand in XML as it is; names of actions and versions have nothing else.
fn readable(value: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || "-._".contains(*c);
    value.chars().filter(plain).take(100).collect()
}

/// Refuses what no route serves: the query protocol at any path, such as a queue's URL of another emulator, in its own shape;
/// the rest in the shape of the Lambda API, which SDKs that get here may be of.
pub(crate) async fn refuse_unknown(method: Method, uri: Uri, body: Bytes) -> Response {
    if let Some(query) = Query::of(&uri, &body) {
        return query.refusal();
    }
    let message = format!(
        "the local stack does not serve {method} {}: it has SQS and DynamoDB at POST / (JSON protocol), and of Lambda \
         POST /2015-03-31/functions/NAME/invocations and GET /2015-03-31/functions/NAME/configuration",
        uri.path()
    );
    let kind = "UnknownOperationException";
    let body = json!({ "Type": "User", "Message": message, "message": message, "__type": kind });
    let headers = [("content-type", "application/json"), ("x-amzn-errortype", kind)];
    (StatusCode::NOT_FOUND, headers, format!("{body}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(uri: &str, body: &str) -> Option<String> {
        Query::of(&uri.parse().unwrap(), body.as_bytes()).map(|query| query.action)
    }

    #[test]
    fn an_action_in_form_or_url_is_of_the_query_protocol() {
        let form = "Version=2012-11-05&Action=ListQueues";
        assert_eq!(query("/", form).as_deref(), Some("ListQueues"));
        assert_eq!(
            query("/?Action=SendMessage&MessageBody=a", "").as_deref(),
            Some("SendMessage")
        );
        assert_eq!(query("/0/q", "\nAction=SendMessage\n").as_deref(), Some("SendMessage"));
    }

    #[test]
    fn other_requests_are_not_of_the_query_protocol() {
        for (uri, body) in [
            ("/", ""),
            ("/?Action=", ""),
            ("/?action=x", ""),
            ("/", "MessageBody=Action"),
            ("/", r#"{"MessageBody":"a&Action=b"}"#),
        ] {
            assert_eq!(query(uri, body), None, "{uri} {body}");
        }
    }

    #[test]
    fn nothing_of_a_request_can_break_the_xml() {
        assert_eq!(query("/", "Action=<a>%3Cb%3E&").as_deref(), Some("a3Cb3E"));
    }
}
