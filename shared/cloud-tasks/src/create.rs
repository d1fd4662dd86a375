//! One request that creates a task, and what its reply means.

use std::time::Duration;

use aws_smithy_types::body::SdkBody;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode};
use serde::Deserialize;

use crate::CloudTasks;
use crate::client::{Reply, exchange};
use crate::url::QueueUrl;

/// A request without a reply after this time failed.
const ANSWER: Duration = Duration::from_secs(3);

/// Why a task was not created, or is not known to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(crate) struct Fault {
    /// Whether another try may help.
    pub(crate) passes: bool,
    why: String,
}

impl Fault {
    pub(crate) fn passing(why: impl Into<String>) -> Self {
        Self {
            passes: true,
            why: why.into(),
        }
    }

    pub(crate) fn refused(why: impl Into<String>) -> Self {
        Self {
            passes: false,
            why: why.into(),
        }
    }

    /// The same, with what was being done.
    fn during(self, what: &str) -> Self {
        Self {
            why: format!("{what}: {}", self.why),
            ..self
        }
    }
}

/// Google's error
/// ([error model](https://cloud.google.com/apis/design/errors#http_mapping)).
#[derive(Default, Deserialize)]
struct Failure {
    error: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    status: String,
    message: String,
}

#[derive(Deserialize)]
struct Created {
    name: String,
}

impl CloudTasks {
    /// Creates the task that this body states. It exists when this returns.
    pub(crate) async fn create(&self, url: &QueueUrl, body: &[u8]) -> Result<(), Fault> {
        let created = self.request(url, body).await;
        created.map_err(|fault| fault.during(&format!("create a task in {}", url.name())))
    }

    async fn request(&self, url: &QueueUrl, body: &[u8]) -> Result<(), Fault> {
        let token = match url.is_emulator() {
            true => None,
            false => Some(self.tokens.get().await?),
        };
        let request = Request::post(url.tasks()).header(CONTENT_TYPE, "application/json");
        let request = request.body(SdkBody::from(body.to_vec()));
        let mut request = request.map_err(|error| Fault::refused(error.to_string()))?;
        if let Some(token) = &token {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let mut value = value.map_err(|_| Fault::passing("the access token can't be a header"))?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let reply = exchange(&self.client, request, ANSWER).await;
        let created = outcome(&reply.map_err(Fault::passing)?, url);
        if let (Err((StatusCode::UNAUTHORIZED, _)), Some(token)) = (&created, &token) {
            self.tokens.forget(token).await;
        }
        created.map_err(|(_, fault)| fault)
    }
}

/// What a reply means.
fn outcome(reply: &Reply, url: &QueueUrl) -> Result<(), (StatusCode, Fault)> {
    let status = reply.status;
    if status.is_success() {
        let created: Option<Created> = serde_json::from_slice(&reply.body).ok();
        let is_task = created.is_some_and(|created| created.name.contains("/tasks/"));
        let why = || Fault::passing(format!("{status} without the created task: a proxy may have replied"));
        return if is_task { Ok(()) } else { Err((status, why())) };
    }
    let error: Failure = serde_json::from_slice(&reply.body).unwrap_or_default();
    let Status { status: code, message } = error.error;
    // 409 is ABORTED, too.
    if code == "ALREADY_EXISTS" {
        return Ok(());
    }
    let why = match (code.as_str(), message.as_str()) {
        ("", _) => status.to_string(),
        (code, message) => format!("{} {code}: {message}", status.as_u16()),
    };
    let passes = matches!(status.as_u16(), 401 | 408 | 409 | 429 | 500..);
    let why = match way_out(status, url) {
        Some(way_out) => format!("{why}; {way_out}"),
        None => why,
    };
    Err((status, Fault { passes, why }))
}

fn way_out(status: StatusCode, url: &QueueUrl) -> Option<String> {
    Some(match status.as_u16() {
        401 => "the access token was refused, and another is requested".to_owned(),
        403 => {
            let act_as = url.account.as_ref();
            let act_as = act_as.map(|account| format!(", and roles/iam.serviceAccountUser on {account}"));
            format!(
                "grant this process's service account roles/cloudtasks.enqueuer on the queue{}",
                act_as.unwrap_or_default()
            )
        }
        404 => "create the queue, or correct project, location and name in its URL".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn outcome(status: u16, body: &str) -> Result<(), Fault> {
        let url = "https://cloudtasks.googleapis.com/v2/projects/p/locations/l/queues/q?target=https://a.example/&account=a@b";
        let reply = Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.into(),
        };
        super::outcome(&reply, &QueueUrl::parse(url).unwrap()).map_err(|(_, fault)| fault)
    }

    fn error(status: u16, code: &str) -> Fault {
        let body = format!(r#"{{"error": {{"code": {status}, "message": "text", "status": "{code}"}}}}"#);
        outcome(status, &body).unwrap_err()
    }

    #[test]
    fn a_task_is_created_if_the_reply_names_it() {
        let task = r#"{"name": "projects/p/locations/l/queues/q/tasks/1"}"#;
        assert_eq!(outcome(200, task), Ok(()));
        for other in ["", "<html>", "{}", r#"{"name": "x"}"#] {
            assert!(outcome(200, other).unwrap_err().passes, "{other}");
        }
    }

    #[test]
    fn a_name_that_is_taken_confirms_the_task() {
        let body =
            r#"{"error": {"code": 409, "message": "Requested entity already exists", "status": "ALREADY_EXISTS"}}"#;
        assert_eq!(outcome(409, body), Ok(()));
        assert!(error(409, "ABORTED").passes);
    }

    #[test]
    fn what_passes_is_sent_again_and_what_does_not_is_refused() {
        for (status, code) in [
            (401, "UNAUTHENTICATED"),
            (429, "RESOURCE_EXHAUSTED"),
            (500, "INTERNAL"),
            (503, "UNAVAILABLE"),
            (504, "DEADLINE_EXCEEDED"),
        ] {
            assert!(error(status, code).passes, "{status}");
        }
        for (status, code, way_out) in [
            (400, "INVALID_ARGUMENT", "text"),
            (403, "PERMISSION_DENIED", "roles/iam.serviceAccountUser on a@b"),
            (404, "NOT_FOUND", "create the queue"),
        ] {
            let fault = error(status, code);
            assert!(
                !fault.passes && fault.why.contains(way_out) && fault.why.contains(code),
                "{fault}"
            );
        }
        assert!(outcome(502, "<html>").unwrap_err().passes);
        assert!(!outcome(302, "").unwrap_err().passes);
    }
}
