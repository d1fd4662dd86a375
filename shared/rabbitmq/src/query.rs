//! The settings in the query of a URL.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::url::{InvalidUrl, decoded};

/// How a queue is consumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) queue: Option<String>,
    pub(crate) ordered: bool,
    /// How long a lease lasts unless it is extended.
    pub(crate) window: Duration,
    /// How long a message may stay unacknowledged.
    pub(crate) longest: Duration,
    pub(crate) authorities: Option<PathBuf>,
}

/// A worker that dies keeps other workers from its messages for so long.
const WINDOW: Duration = Duration::from_secs(30);
/// RabbitMQ closes the channel of a consumer that has not acknowledged a message for 30 minutes
/// ([consumer timeout](https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout)). The margin is for the time that a
/// message waits in this process, and for the acknowledgement.
const LONGEST: Duration = Duration::from_secs(25 * 60);
/// What is configured must leave a minute of those 30.
const MOST_LONGEST: Duration = Duration::from_secs(29 * 60);
/// What a host keeps of that time to settle. A handler needs the window besides.
const TO_SETTLE: Duration = Duration::from_secs(10);
/// Names of queues have at most 255 bytes. Those of the wait queues are longer than the queue's.
const LONGEST_NAME: usize = 255 - "-wait-15m".len();
const SETTINGS: &str = "queue, ordered, window, longest, cacertfile";

impl FromStr for Query {
    type Err = InvalidUrl;

    fn from_str(query: &str) -> Result<Self, InvalidUrl> {
        let mut settings = Self {
            queue: None,
            ordered: false,
            window: WINDOW,
            longest: LONGEST,
            authorities: None,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value).filter(|value| !value.is_empty());
            settings.set(name, value)?;
        }
        settings.check_longest()?;
        Ok(settings)
    }
}

impl Query {
    fn set(&mut self, name: &str, value: Option<String>) -> Result<(), InvalidUrl> {
        // A query that begins inside a password is not quoted: `name` may be a part of it.
        let unknown = || InvalidUrl::new("query", format!("unknown setting; known are {SETTINGS}"));
        match name {
            "queue" => self.queue = Some(queue_name(value)?),
            "ordered" => self.ordered = boolean(value)?,
            "window" => self.window = seconds("window", value)?,
            "longest" => self.longest = seconds("longest", value)?,
            "cacertfile" => {
                let missing = || InvalidUrl::new("cacertfile", "empty; write the path of a PEM file");
                self.authorities = Some(value.ok_or_else(missing)?.into());
            }
            _ => return Err(unknown()),
        }
        Ok(())
    }
}

impl Query {
    fn check_longest(&self) -> Result<(), InvalidUrl> {
        let (longest, least) = (self.longest.as_secs(), (self.window + TO_SETTLE).as_secs());
        let why = if self.longest > MOST_LONGEST {
            let most = MOST_LONGEST.as_secs();
            format!("{longest} s; choose at most {most} s: RabbitMQ closes the channel after 30 minutes")
        } else if longest < least {
            let (window, settle) = (self.window.as_secs(), TO_SETTLE.as_secs());
            format!(
                "{longest} s; choose at least {least} s, which is window ({window} s) and {settle} s to settle, or a shorter window"
            )
        } else {
            return Ok(());
        };
        Err(InvalidUrl::new("longest", why))
    }
}

fn queue_name(value: Option<String>) -> Result<String, InvalidUrl> {
    // RabbitMQ reserves names that begin with `amq.`.
    let is_name = |name: &String| name.len() <= LONGEST_NAME && !name.starts_with("amq.");
    let why = || format!("expected a name of 1 to {LONGEST_NAME} bytes that does not begin with \"amq.\"");
    value.filter(is_name).ok_or_else(|| InvalidUrl::new("queue", why()))
}

fn boolean(value: Option<String>) -> Result<bool, InvalidUrl> {
    let invalid = || InvalidUrl::new("ordered", "expected true or false");
    value.and_then(|value| value.parse().ok()).ok_or_else(invalid)
}

fn seconds(name: &'static str, value: Option<String>) -> Result<Duration, InvalidUrl> {
    let seconds: Option<u32> = value.and_then(|value| value.parse().ok());
    let invalid = || InvalidUrl::new(name, "expected a number of seconds, 1 or more");
    let seconds = seconds.filter(|seconds| *seconds > 0).ok_or_else(invalid)?;
    Ok(Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_defaults() {
        let query: Query = "".parse().unwrap();
        assert_eq!(
            (query.window, query.longest),
            (Duration::from_secs(30), Duration::from_secs(1500))
        );
        assert!(!query.ordered && query.queue.is_none() && query.authorities.is_none());
    }

    #[test]
    fn each_setting_is_read() {
        let query: Query = "queue=or%26ders&ordered=true&window=60&longest=90&cacertfile=%2fca.pem"
            .parse()
            .unwrap();
        assert_eq!(query.queue.as_deref(), Some("or&ders"));
        assert_eq!((query.window.as_secs(), query.longest.as_secs()), (60, 90));
        assert!(query.ordered && query.authorities == Some("/ca.pem".into()));
    }

    #[test]
    fn longest_leaves_time_for_window_and_settling() {
        let why = |query: &str| query.parse::<Query>().map_err(|error| error.to_string()).err();
        for valid in [
            "window=60&longest=70",
            "window=1490",
            "longest=1740",
            "window=1730&longest=1740",
        ] {
            assert_eq!(why(valid), None, "{valid}");
        }
        let short = why("window=60&longest=69").unwrap();
        assert!(
            short.contains("69 s; choose at least 70 s, which is window (60 s) and 10 s"),
            "{short}"
        );
        let long = why("longest=1741").unwrap();
        assert!(long.contains("1741 s; choose at most 1740 s"), "{long}");
    }

    #[test]
    fn an_invalid_setting_is_named() {
        let long = format!("queue={}", "q".repeat(247));
        for (query, part) in [
            ("queue=", "queue"),
            ("queue", "queue"),
            (&long, "queue"),
            ("queue=amq.x", "queue"),
            ("ordered=yes", "ordered"),
            ("window=0", "window"),
            ("window=1.5", "window"),
            ("longest=-1", "longest"),
            ("window=60&longest=69", "longest"),
            ("window=1491", "longest"),
            ("longest=1741", "longest"),
            ("cacertfile=", "cacertfile"),
            ("heartbeat=5", "query"),
        ] {
            let why = query.parse::<Query>().unwrap_err().to_string();
            assert!(why.starts_with(&format!("{part} of")), "{query}: {why}");
        }
    }
}
