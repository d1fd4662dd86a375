//! The URL that names a queue, and where its tasks are sent.

use std::time::Duration;

/// A queue of Cloud Tasks, and the target of its tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueUrl {
    /// Scheme, host and port of the API.
    pub(crate) api: String,
    /// `projects/P/locations/L/queues`.
    location: String,
    queue: String,
    pub(crate) target: String,
    /// The service account whose token each request to the target carries.
    pub(crate) account: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) deadline: Option<Duration>,
}

const EXPECTED: &str = "expected \
    https://cloudtasks.googleapis.com/v2/projects/PROJECT/locations/LOCATION/queues/QUEUE?target=URL&account=EMAIL";
const SETTINGS: &str = "target, account, audience, deadline";
/// Of a URL after encoding
/// ([HttpRequest](https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks#HttpRequest)).
const LONGEST_TARGET: usize = 2083;
/// Email addresses and audiences beyond this are no setting, but a mistake. All parts of a task but its headers and its body fit
/// [what is reserved](crate::limits) for them.
const LONGEST_SETTING: usize = 1024;
/// Seconds that a target may be given for its answer
/// ([Task](https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks#Task.FIELDS.dispatch_deadline)).
const DEADLINES: std::ops::RangeInclusive<u64> = 15..=1800;

/// Whether this is the URL of a queue of Cloud Tasks, or was meant to be: its path begins with `/v2/projects/`.
pub fn is_url(url: &str) -> bool {
    split(url).is_some_and(|(_, path)| path.starts_with("v2/projects/"))
}

/// The name of the queue in this URL, `projects/PROJECT/locations/LOCATION/queues/QUEUE`.
///
/// # Errors
///
/// What is wrong with the URL, and what to write instead.
pub fn queue_name(url: &str) -> Result<String, String> {
    QueueUrl::parse(url).map(|url| url.name())
}

impl QueueUrl {
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let (api, rest) = split(url).ok_or(EXPECTED)?;
        if !may_have_token(api) {
            return Err(format!(
                "{EXPECTED}; an access token is sent to hosts of googleapis.com only; the URL of an emulator begins with http://"
            ));
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let parts: Vec<_> = path.split('/').collect();
        let ["v2", "projects", project, "locations", location, "queues", queue] = parts[..] else {
            return Err(EXPECTED.to_owned());
        };
        let is_project = |byte: u8| byte.is_ascii_alphanumeric() || b"-:.".contains(&byte);
        if project.is_empty() || !project.bytes().all(is_project) || !is_name(location) || !is_queue(queue) {
            return Err(format!(
                "{EXPECTED}; a queue's name has 1 to 100 letters, digits and hyphens"
            ));
        }
        let mut parsed = Self {
            api: api.to_owned(),
            location: format!("projects/{project}/locations/{location}/queues"),
            queue: queue.to_owned(),
            target: String::new(),
            account: None,
            audience: None,
            deadline: None,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            parsed.set(name, decoded(value).filter(|value| !value.is_empty()))?;
        }
        parsed.check()?;
        Ok(parsed)
    }

    fn set(&mut self, name: &str, value: Option<String>) -> Result<(), String> {
        let value = value
            .filter(|value| value.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or_else(|| format!("setting {name:?}: expected visible ASCII characters, percent-encoded"))?;
        match name {
            "target" => self.target = value,
            "account" => self.account = Some(value).filter(|account| account.contains('@')),
            "audience" => self.audience = Some(value),
            "deadline" => self.deadline = value.parse().ok().map(Duration::from_secs),
            _ => return Err(format!("unknown setting {name:?}; known are {SETTINGS}")),
        }
        match name {
            "account" if self.account.is_none() => Err("account: expected the email of a service account".to_owned()),
            "deadline" if !self.deadline.is_some_and(|it| DEADLINES.contains(&it.as_secs())) => Err(format!(
                "deadline: expected seconds from {} to {}",
                DEADLINES.start(),
                DEADLINES.end()
            )),
            _ => Ok(()),
        }
    }

    fn check(&self) -> Result<(), String> {
        let is_https = self.target.starts_with("https://");
        if !is_https && !self.target.starts_with("http://") {
            return Err("target: expected the http or https URL that tasks are sent to; add ?target=URL".to_owned());
        }
        if self.target.len() > LONGEST_TARGET {
            return Err(format!("target: longer than {LONGEST_TARGET} characters"));
        }
        if [&self.account, &self.audience]
            .into_iter()
            .flatten()
            .any(|text| text.len() > LONGEST_SETTING)
        {
            return Err(format!("account or audience: longer than {LONGEST_SETTING} characters"));
        }
        if self.account.is_some() && !is_https && !self.is_emulator() {
            return Err(
                "target: must be https, because Cloud Tasks sends the token of an account to no http URL".to_owned(),
            );
        }
        match self.audience.is_some() && self.account.is_none() {
            true => Err("audience: only with account, whose token has it".to_owned()),
            false => Ok(()),
        }
    }

    /// An emulator: no access token may go over plain http.
    pub(crate) fn is_emulator(&self) -> bool {
        self.api.starts_with("http://")
    }

    /// `projects/P/locations/L/queues/Q`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.location, self.queue)
    }

    /// The same with another queue of the project and location.
    pub(crate) fn with_queue(self, queue: &str) -> Self {
        Self {
            queue: queue.to_owned(),
            ..self
        }
    }

    /// Where tasks are created.
    pub(crate) fn tasks(&self) -> String {
        format!("{}/v2/{}/tasks", self.api, self.name())
    }
}

/// Scheme, host and port; and what follows the slash.
fn split(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let (host, path) = rest.split_once('/')?;
    let end = scheme.len() + "://".len() + host.len();
    (matches!(scheme, "http" | "https") && !host.is_empty() && !host.contains(['@', '?', '#']))
        .then(|| (&url[..end], path))
}

/// Whether a request to this API may carry an access token, or needs none.
fn may_have_token(api: &str) -> bool {
    let Some(host) = api.strip_prefix("https://") else {
        return true;
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let host = host
        .rsplit_once(':')
        .filter(|(_, port)| is_port(port))
        .map_or(host, |(host, _)| host);
    let host = host.to_ascii_lowercase();
    host.ends_with(".googleapis.com") || ["127.0.0.1", "[::1]", "localhost"].contains(&host.as_str())
}

/// Whether a queue can have this name.
pub(crate) fn is_queue(name: &str) -> bool {
    (1..=100).contains(&name.len()) && is_name(name)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The text with its escapes replaced; `None` if one is malformed, or the result is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let digits = part
            .get(..2)
            .filter(|it| it.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: &str = "https://cloudtasks.googleapis.com/v2/projects/p-1/locations/europe-west1/queues/orders";

    fn refused(url: &str) -> String {
        QueueUrl::parse(url).unwrap_err()
    }

    #[test]
    fn a_url_names_queue_target_and_account() {
        let url = QueueUrl::parse(&format!(
            "{QUEUE}?target=https%3A%2F%2Fshop.example.com%2Ftasks%3Fa%3D1&account=push%40p-1.iam.gserviceaccount.com&deadline=60"
        ))
        .unwrap();
        assert_eq!(url.target, "https://shop.example.com/tasks?a=1");
        assert_eq!(url.account.as_deref(), Some("push@p-1.iam.gserviceaccount.com"));
        assert_eq!(
            (url.audience.as_ref(), url.deadline),
            (None, Some(Duration::from_secs(60)))
        );
        assert_eq!(url.tasks(), format!("{QUEUE}/tasks"));
        assert_eq!(
            url.clone().with_queue("other").name(),
            "projects/p-1/locations/europe-west1/queues/other"
        );
        assert!(!url.is_emulator());
        let emulator =
            "http://127.0.0.1:8123/v2/projects/p/locations/l/queues/q?target=http://127.0.0.1:1/&account=a@b";
        assert!(QueueUrl::parse(emulator).unwrap().is_emulator());
    }

    #[test]
    fn every_endpoint_of_google_may_have_a_token() {
        for api in [
            "https://cloudtasks.googleapis.com",
            "https://cloudtasks.europe-west1.rep.googleapis.com:443",
            "https://127.0.0.1:8123",
            "http://tasks:8123",
        ] {
            let url = format!("{api}/v2/projects/p/locations/l/queues/q?target=https://a.example");
            assert!(QueueUrl::parse(&url).is_ok(), "{url}");
        }
    }

    #[test]
    fn only_a_queue_of_cloud_tasks_is_one() {
        assert!(is_url(QUEUE) && is_url("http://127.0.0.1:8123/v2/projects/p"));
        for other in [
            "https://sqs.eu-west-1.amazonaws.com/111122223333/orders",
            "amqp:orders",
            "https:///v2/projects/p",
            "ftp://host/v2/projects/p",
        ] {
            assert!(!is_url(other), "{other}");
        }
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let target = "target=https%3A%2F%2Fa.example";
        for (query, part) in [
            (String::new(), "target"),
            ("target=shop.example.com".to_owned(), "target"),
            (format!("target=https://{}", "a".repeat(2100)), "target"),
            ("target=https%3A%2F%2Fa%0Ab".to_owned(), "target"),
            ("target=%zz".to_owned(), "target"),
            (format!("{target}&account=nobody"), "account"),
            (format!("{target}&audience=x"), "audience"),
            (
                format!("{target}&account=a@b&audience={}", "x".repeat(1025)),
                "audience",
            ),
            (format!("{target}&deadline=14"), "deadline"),
            (format!("{target}&deadline=1801"), "deadline"),
            (format!("{target}&deadline=x"), "deadline"),
            (format!("{target}&queue=x"), "queue"),
            ("target=http%3A%2F%2Fa.example&account=a@b".to_owned(), "https"),
        ] {
            let why = refused(&format!("{QUEUE}?{query}"));
            assert!(why.contains(part), "{query}: {why}");
        }
    }

    #[test]
    fn another_path_is_refused_with_an_example() {
        for url in [
            "",
            "orders",
            "https://cloudtasks.googleapis.com/v2/projects/p/locations/l/queues",
            "https://cloudtasks.googleapis.com/v2/projects/p/locations/l/queues/not_valid",
            "https://cloudtasks.googleapis.com/v2/projects/p/locations/l/queues/q/tasks",
            "https://cloudtasks.googleapis.com.evil.example/v2/projects/p/locations/l/queues/q?target=https://a.example",
            "https://evilgoogleapis.com/v2/projects/p/locations/l/queues/q?target=https://a.example",
            "https://10.0.0.1:443/v2/projects/p/locations/l/queues/q?target=https://a.example",
            "https://user@cloudtasks.googleapis.com/v2/projects/p/locations/l/queues/q",
        ] {
            assert!(refused(url).contains("/queues/QUEUE?target=URL"), "{url}");
        }
    }
}
