//! Protection of a busy task from scale-in and deployments, on Amazon ECS
//! ([endpoint](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html)).

use std::time::Duration;

use host::{SettingError, optional_setting};
use http::Method;
use http_client::HttpClient;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use service::flag;

const ENABLED: &str = "SCALE_IN_PROTECTION";
/// Set by ECS in each container.
const AGENT: &str = "ECS_AGENT_URI";
const PATH: &str = "task-protection/v1/state";

/// How long a protection lasts if this process can't end it. It is renewed after half of this time.
const LASTS: Duration = Duration::from_secs(10 * 60);
/// How long a task stays protected without a message: fewer requests, and ECS would not notice a shorter pause.
const IDLE: Duration = Duration::from_secs(30);
/// How often the number of messages in flight is read.
const TICK: Duration = Duration::from_secs(1);
/// After a failed request.
const PAUSE: Duration = Duration::from_secs(10);

/// The agent that protects this task.
pub(crate) struct Protection(HttpClient);

impl Protection {
    /// `None`: the environment does not request it.
    pub(crate) fn from_env() -> Result<Option<Self>, SettingError> {
        if !flag(ENABLED)? {
            return Ok(None);
        }
        if optional_setting(AGENT)?.is_none() {
            let problem = format!("is true, but {AGENT} is not set: it is for tasks on Amazon ECS");
            return Err(SettingError::wrong(ENABLED, problem));
        }
        Ok(Some(Self(HttpClient::from_env(AGENT)?)))
    }

    /// Keeps the task protected while messages are in flight, and for a moment longer.
    pub(crate) async fn run(self, in_flight: impl Fn() -> usize) {
        protect(in_flight, |enabled| self.request(enabled)).await;
    }

    async fn request(&self, enabled: bool) -> Result<(), String> {
        let body = match enabled {
            true => json!({ "ProtectionEnabled": true, "ExpiresInMinutes": LASTS.as_secs() / 60 }),
            false => json!({ "ProtectionEnabled": false }),
        };
        let answer = self.0.request(Method::PUT, PATH).json(&body).send().await;
        let answer = answer.map_err(|failure| failure.to_string())?;
        if let Some(failure) = answer.failure() {
            return Err(failure.to_string());
        }
        let answer: Value = answer.json().map_err(|failure| failure.to_string())?;
        // With HTTP status 200, too.
        match answer.get("failure").or(answer.get("error")) {
            Some(why) => Err(why.to_string()),
            None => Ok(()),
        }
    }
}

async fn protect<F: Future<Output = Result<(), String>>>(in_flight: impl Fn() -> usize, request: impl Fn(bool) -> F) {
    let (mut protected, mut busy, mut is_reported) = (None, None, false);
    loop {
        let now = Instant::now();
        if in_flight() > 0 {
            busy = Some(now);
        }
        let is_busy = busy.is_some_and(|at| now - at < IDLE);
        let is_due = protected.is_none_or(|at| now - at >= LASTS / 2);
        let wanted = match is_busy {
            true => is_due.then_some(true),
            false => protected.map(|_: Instant| false),
        };
        if let Some(enabled) = wanted {
            match request(enabled).await {
                Ok(()) => (protected, is_reported) = (enabled.then_some(now), false),
                Err(why) => {
                    if !is_reported {
                        tracing::warn!(
                            "ECS did not change the scale-in protection of this task: {why}; check that its role allows \
                             ecs:UpdateTaskProtection"
                        );
                    }
                    is_reported = true;
                    sleep(PAUSE).await;
                }
            }
        }
        sleep(TICK).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "all of this is tests")]

    use std::cell::{Cell, RefCell};
    use std::future::ready;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// The requests until `end`, in seconds, if messages are in flight as `load` states, and a request fails as `fails` states.
    async fn requests(end: Duration, load: impl Fn(u64) -> usize, fails: impl Fn(u64) -> bool) -> Vec<(u64, bool)> {
        let began = Instant::now();
        let now = || began.elapsed().as_secs();
        let requests = RefCell::new(Vec::new());
        let request = |enabled| {
            requests.borrow_mut().push((now(), enabled));
            ready(match fails(now()) {
                true => Err("no".to_owned()),
                false => Ok(()),
            })
        };
        timeout(end, protect(|| load(now()), request)).await.unwrap_err();
        requests.into_inner()
    }

    /// What an agent that answers so receives, and what the process takes the answer for.
    async fn answered(enabled: bool, status: &str, answer: &str) -> (String, Result<(), String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/id", listener.local_addr().unwrap());
        let reply = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        );
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            while !request.ends_with('}') {
                let mut chunk = [0; 1024];
                let size = stream.read(&mut chunk).await.unwrap();
                request.push_str(std::str::from_utf8(&chunk[..size]).unwrap());
            }
            stream.write_all(reply.as_bytes()).await.unwrap();
            request
        };
        let protection = Protection(HttpClient::new(&url).unwrap());
        tokio::join!(serve, protection.request(enabled))
    }

    #[tokio::test]
    async fn the_agent_gets_the_state_and_may_refuse_it() {
        let (request, result) = answered(true, "200 OK", r#"{"protection":{"ProtectionEnabled":true}}"#).await;
        assert!(
            request.starts_with("PUT /api/id/task-protection/v1/state HTTP/1.1\r\n"),
            "{request}"
        );
        assert!(
            request.ends_with(r#"{"ExpiresInMinutes":10,"ProtectionEnabled":true}"#),
            "{request}"
        );
        assert_eq!(result, Ok(()));
        let (request, _) = answered(false, "200 OK", "{}").await;
        assert!(request.ends_with(r#"{"ProtectionEnabled":false}"#), "{request}");
        for (status, answer) in [
            ("200 OK", r#"{"failure":{"Reason":"DEPLOYMENT_BLOCKED"}}"#),
            ("400 Bad Request", r#"{"error":{"Code":"AccessDeniedException"}}"#),
            ("200 OK", "no JSON"),
        ] {
            let (_, result) = answered(true, status, answer).await;
            assert!(result.is_err(), "{status} {answer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_task_is_protected_until_it_has_been_idle() {
        let load = |second| usize::from((10..100).contains(&second));
        let made = requests(10 * MINUTE, load, |_| false).await;
        assert_eq!(made, [(10, true), (129, false)]);
        let idle = requests(10 * MINUTE, |_| 0, |_| false).await;
        assert_eq!(idle, []);
    }

    #[tokio::test(start_paused = true)]
    async fn short_pauses_between_messages_change_nothing() {
        let made = requests(4 * MINUTE, |second| usize::from(second % 20 == 0), |_| false).await;
        assert_eq!(made, [(0, true)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_protection_is_renewed_before_it_ends() {
        let made = requests(16 * MINUTE, |_| 1, |_| false).await;
        assert_eq!(made, [(0, true), (300, true), (600, true), (900, true)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_fails_is_sent_again() {
        let calls = Cell::new(0);
        let fails = |_| {
            calls.set(calls.get() + 1);
            calls.get() < 3
        };
        let made = requests(MINUTE, |_| 1, fails).await;
        assert_eq!(made, [(0, true), (11, true), (22, true)]);
    }
}
