//! The queues that messages are sent to: those of the handler, and the dead-letter queue.

use std::time::Duration;

use consumer::{Chain, SourceError, SourceFault};
use host::Need;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::health::Health;

/// How long a destination on RabbitMQ may be missing: another worker declares it, which starts at the same time.
pub(super) const DECLARED_WITHIN: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_secs(1);

/// A queue that messages are sent to.
pub(super) struct Destination {
    /// What names it.
    setting: String,
    url: String,
}

/// The destinations of a handler, and the dead-letter queue: that of the environment, or the queue's own.
pub(super) fn destinations(needs: &[Need], stated: Option<String>, own: Option<String>) -> Vec<Destination> {
    let variable = |name: &str| format!("environment variable {name}");
    let of_handler = needs.iter().filter_map(|need| match need {
        Need::Queue { variable: name, url } => Some(Destination {
            setting: variable(name),
            url: url.clone(),
        }),
        Need::Table { .. } | Need::SqlTable(_) => None,
    });
    let stated = stated.map(|url| (variable("DEAD_LETTER_QUEUE_URL"), url));
    let own = own.map(|url| ("the dead-letter queue of the polled queue".to_owned(), url));
    let dead_letters = stated.or(own).map(|(setting, url)| Destination { setting, url });
    of_handler.chain(dead_letters).collect()
}

/// Checks that they exist, again and again for this time. What can't be found out now may be reached later. Returns early if the
/// process is stopped.
///
/// # Errors
///
/// [`StartError::Destination`]: one is missing.
pub(super) async fn exist(
    destinations: Vec<Destination>,
    within: Duration,
    stopping: &CancellationToken,
    health: &Health,
    check: impl AsyncFn(&str) -> Result<(), SourceError>,
) -> Result<(), StartError> {
    let end = Instant::now() + within;
    for Destination { setting, url } in destinations {
        let mut is_reported = false;
        while let Err(error) = check(&url).await {
            if error.fault != SourceFault::Refused {
                tracing::warn!("{setting} could not be checked at start: {}", Chain(&error));
                break;
            }
            if Instant::now() >= end {
                return Err(StartError::Destination(setting, error));
            }
            if !is_reported {
                let why = format!("waiting for {setting}: {}", Chain(&error));
                tracing::warn!("{why}");
                health.connecting(0, why);
                is_reported = true;
            }
            if stopping.run_until_cancelled(sleep(PAUSE)).await.is_none() {
                return Ok(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "all of this is tests")]

    use std::cell::Cell;

    use super::*;

    fn missing(url: &str) -> SourceError {
        SourceError {
            queue: url.to_owned(),
            fault: SourceFault::Refused,
            why: "it does not exist; declare it".into(),
        }
    }

    fn notifications() -> Vec<Destination> {
        let needs = [Need::Queue {
            variable: "NOTIFICATIONS_QUEUE_URL",
            url: "amqp:notifications".to_owned(),
        }];
        destinations(&needs, Some("amqp:dead".to_owned()), None)
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_destination_ends_the_start_after_a_minute() {
        let began = Instant::now();
        let check = async |url: &str| match url {
            "amqp:dead" => Err(missing(url)),
            _ => Ok(()),
        };
        let never = CancellationToken::new();
        let error = exist(notifications(), DECLARED_WITHIN, &never, &Health::new(1), check)
            .await
            .unwrap_err();
        assert_eq!(
            Chain(&error).to_string(),
            "environment variable DEAD_LETTER_QUEUE_URL: queue amqp:dead: it does not exist; declare it"
        );
        assert_eq!(began.elapsed(), DECLARED_WITHIN);
    }

    #[tokio::test(start_paused = true)]
    async fn a_destination_may_be_declared_later() {
        let (began, checks) = (Instant::now(), Cell::new(0));
        let check = async |url: &str| {
            checks.set(checks.get() + 1);
            match began.elapsed() < Duration::from_secs(7) {
                true => Err(missing(url)),
                false => Ok(()),
            }
        };
        let never = CancellationToken::new();
        exist(notifications(), DECLARED_WITHIN, &never, &Health::new(1), check)
            .await
            .unwrap();
        assert_eq!((began.elapsed(), checks.get()), (Duration::from_secs(7), 9));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unreachable_destination_and_a_stop_are_no_errors() {
        let began = Instant::now();
        let unreachable = async |url: &str| {
            Err(SourceError {
                fault: SourceFault::Unavailable,
                ..missing(url)
            })
        };
        let never = CancellationToken::new();
        exist(notifications(), DECLARED_WITHIN, &never, &Health::new(1), unreachable)
            .await
            .unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);

        let stopped = CancellationToken::new();
        stopped.cancel();
        let check = async |url: &str| Err(missing(url));
        exist(notifications(), DECLARED_WITHIN, &stopped, &Health::new(1), check)
            .await
            .unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[test]
    fn the_dead_letter_queue_of_the_environment_comes_first() {
        let url = |stated: Option<&str>| {
            let own = Some("own".to_owned());
            let all = destinations(&[], stated.map(str::to_owned), own);
            all.into_iter().map(|destination| destination.url).collect::<Vec<_>>()
        };
        assert_eq!(
            (url(Some("stated")), url(None)),
            (vec!["stated".to_owned()], vec!["own".to_owned()])
        );
    }
}
