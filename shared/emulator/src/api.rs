//! What the emulated services share: how an AWS service in the JSON protocol answers.

use serde_json::{Map, Value, json};

/// What becomes of a request.
#[derive(Debug)]
pub enum Reply {
    /// The operation's output, or the error it ends in.
    Answer(Result<Value, ApiError>),
    /// The reply is lost on the way: the server closes the connection without answering.
    Lost,
}

/// An error as an AWS service in the JSON protocol answers it.
///
/// Shape: [AWS JSON 1.0 and 1.1 protocols](https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html#operation-error-serialization).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// HTTP status, 400 for what the caller did wrong, 500 for what the service did.
    pub status: u16,
    /// The error's full shape name as in `__type`, such as `com.amazonaws.sqs#QueueDoesNotExist`.
    pub code: String,
    /// What a person reads.
    pub message: String,
    /// Members beside the message, such as `CancellationReasons` or `Item`.
    pub members: Map<String, Value>,
}

impl ApiError {
    /// A refusal of the caller's request: HTTP status 400, no further members.
    pub fn bad_request(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            code: code.into(),
            message: message.into(),
            members: Map::new(),
        }
    }

    /// The same error with one more member beside its message.
    #[must_use]
    pub fn with(mut self, member: &str, value: Value) -> Self {
        self.members.insert(member.to_owned(), value);
        self
    }

    /// The error's short name, without its namespace: `QueueDoesNotExist`.
    pub fn name(&self) -> &str {
        self.code.rsplit('#').next().unwrap_or(&self.code)
    }

    /// The response body.
    pub fn body(&self) -> Value {
        let mut body = json!({ "__type": self.code, "message": self.message });
        if let Value::Object(members) = &mut body {
            members.extend(self.members.clone());
        }
        body
    }
}
