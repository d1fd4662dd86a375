//! A queue that exists.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::QueueAttributeName;
use cli::{did_you_mean, printable};
use tokio::sync::OnceCell;

use crate::endpoint::Service;
use crate::error;

pub(crate) struct Queue {
    pub(crate) client: Client,
    pub(crate) url: String,
    /// The endpoint, for error texts.
    endpoint: String,
    content_based: OnceCell<bool>,
}

/// The state of a queue.
pub(crate) struct State {
    /// Approximate number of messages that can be received.
    pub(crate) visible: u64,
    /// Approximate number of messages in flight, received by others.
    pub(crate) in_flight: u64,
    /// Whether it has a redrive policy of its own, by which SQS moves messages that are received too often.
    pub(crate) has_redrive_policy: bool,
}

impl Queue {
    /// The queue of this name or URL.
    ///
    /// # Errors
    ///
    /// One line: why it is not found.
    pub(crate) async fn find(sqs: &Service<Client>, name: &str) -> Result<Self, String> {
        let url = match name.contains("://") || name.starts_with("arn:") {
            true => match url_problem(name) {
                None => name.to_owned(),
                Some(problem) => {
                    return Err(format!(
                        "\"{}\" {problem}: pass the queue's name or its URL",
                        printable(name)
                    ));
                }
            },
            false => {
                let found = sqs.client.get_queue_url().queue_name(name).send().await;
                let found = match found {
                    Err(error) if is_missing(&error) => return Err(missing(sqs, name).await),
                    found => found.map_err(|error| describe(name, &error, &sqs.endpoint))?,
                };
                found.queue_url.unwrap_or_default()
            }
        };
        Ok(Self {
            client: sqs.client.clone(),
            url,
            endpoint: sqs.endpoint.clone(),
            content_based: OnceCell::new(),
        })
    }

    /// The queue of this name or URL, if there is one to find.
    ///
    /// # Errors
    ///
    /// Those of [`find`](Self::find).
    pub(crate) async fn find_any(sqs: &Service<Client>, name: Option<&str>) -> Result<Option<Self>, String> {
        match name {
            Some(name) => Self::find(sqs, name).await.map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    pub(crate) fn is_fifo(&self) -> bool {
        self.name().ends_with(".fifo")
    }

    pub(crate) fn describe<E>(&self, error: &SdkError<E>) -> String
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        describe(self.name(), error, &self.endpoint)
    }

    pub(crate) async fn state(&self) -> Result<State, String> {
        let (visible, in_flight) = (
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        );
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let request = request
            .attribute_names(visible.clone())
            .attribute_names(in_flight.clone());
        let reply = request.attribute_names(QueueAttributeName::RedrivePolicy).send().await;
        let reply = reply.map_err(|error| self.describe(&error))?;
        let attributes = reply.attributes.unwrap_or_default();
        let count = |name| {
            attributes
                .get(name)
                .and_then(|count| count.parse().ok())
                .unwrap_or_default()
        };
        Ok(State {
            visible: count(&visible),
            in_flight: count(&in_flight),
            has_redrive_policy: attributes.contains_key(&QueueAttributeName::RedrivePolicy),
        })
    }

    /// The queues whose redrive policy names this one.
    ///
    /// # Errors
    ///
    /// One line: why they are not known.
    pub(crate) async fn sources(&self) -> Result<Vec<Self>, String> {
        let request = self.client.list_dead_letter_source_queues().queue_url(&self.url);
        let mut pages = request.into_paginator().send();
        let mut urls = Vec::new();
        while let Some(page) = pages.next().await {
            urls.extend(page.map_err(|error| self.describe(&error))?.queue_urls);
        }
        Ok(urls.into_iter().map(|url| self.sibling(url)).collect())
    }

    /// The queue of this ARN, in the region of this queue.
    ///
    /// # Errors
    ///
    /// One line: why it is not found.
    pub(crate) async fn find_arn(&self, arn: &str) -> Result<Self, String> {
        let [account, name] = account_and_name(arn, ':').ok_or("this is no ARN of a queue")?;
        let request = self.client.get_queue_url().queue_name(name);
        let found = request.queue_owner_aws_account_id(account).send().await;
        let found = found.map_err(|error| describe(name, &error, &self.endpoint))?;
        Ok(self.sibling(found.queue_url.unwrap_or_default()))
    }

    /// Whether this is the queue of the ARN.
    pub(crate) fn is(&self, arn: &str) -> bool {
        let region = arn.split(':').nth(3).unwrap_or_default();
        let host = self.url.split('/').nth(2).unwrap_or_default();
        let same_region = region_of(host).is_none_or(|of_host| of_host == region);
        let of_arn = account_and_name(arn, ':');
        same_region && of_arn.is_some() && of_arn == account_and_name(&self.url, '/')
    }

    /// Whether SQS computes the deduplication ID of a message whose producer sets none. Read once.
    ///
    /// # Errors
    ///
    /// One line: why this cannot be read.
    pub(crate) async fn has_content_based_deduplication(&self) -> Result<bool, String> {
        let read = self.content_based.get_or_try_init(async || {
            let name = QueueAttributeName::ContentBasedDeduplication;
            let request = self.client.get_queue_attributes().queue_url(&self.url);
            let reply = request.attribute_names(name.clone()).send().await;
            let reply = reply.map_err(|error| self.describe(&error))?;
            let attributes = reply.attributes.unwrap_or_default();
            Ok::<_, String>(attributes.get(&name).is_some_and(|value| value == "true"))
        });
        read.await.copied()
    }

    fn sibling(&self, url: String) -> Self {
        Self {
            client: self.client.clone(),
            url,
            endpoint: self.endpoint.clone(),
            content_based: OnceCell::new(),
        }
    }
}

/// Why this cannot be the URL of a queue, as far as the text shows it: `https://sqs.<region>.amazonaws.com/<account>/<name>`, or
/// another host with this path.
pub(crate) fn url_problem(text: &str) -> Option<&'static str> {
    let segments = text.split('/').count();
    match text {
        _ if text.starts_with("arn:") => Some("is an ARN, not a queue's URL"),
        _ if text.contains(|character: char| character.is_whitespace() || character.is_control()) => {
            Some("contains white space or a line break")
        }
        _ if cli::http_url(text).is_err() => Some("is not a URL"),
        _ if segments < 5 || account_and_name(text, '/').is_none() => {
            Some("is not a queue's URL, which ends with account and queue name")
        }
        _ => None,
    }
}

/// The names of queues, in one line.
pub(crate) fn names(queues: &[Queue]) -> String {
    let names: Vec<_> = queues.iter().map(Queue::name).collect();
    names.join(", ")
}

/// The region in the host of a queue's URL: in any of AWS's domains `sqs.<region>`, with a prefix for a private endpoint, or
/// the older `<region>.queue`; the oldest is `queue.amazonaws.com`. `None`: the host of an emulator, for example.
fn region_of(host: &str) -> Option<&str> {
    let labels: Vec<&str> = host.split('.').collect();
    let pairs = || labels.windows(2).map(|pair| [pair[0], pair[1]]);
    match labels[..] {
        ["queue", "amazonaws", "com"] => Some("us-east-1"),
        _ => pairs().find_map(|pair| match pair {
            ["sqs" | "sqs-fips", region] | [region, "queue"] if is_region(region) => Some(region),
            _ => None,
        }),
    }
}

/// Such as `us-gov-west-1`.
fn is_region(label: &str) -> bool {
    label.split('-').count() >= 3 && label.ends_with(|last: char| last.is_ascii_digit())
}

/// The last two parts of a queue's ARN (separated by `:`) or URL (by `/`).
fn account_and_name(text: &str, separator: char) -> Option<[&str; 2]> {
    let mut parts = text.rsplit(separator);
    let (name, account) = (parts.next()?, parts.next()?);
    (!name.is_empty() && !account.is_empty()).then_some([account, name])
}

fn describe<E>(name: &str, error: &SdkError<E>, endpoint: &str) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match is_missing(error) {
        true => format!("there is no queue {name}"),
        false => error::describe(&format!("queue {name}"), error, endpoint),
    }
}

fn is_missing<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    matches!(
        error.code(),
        Some("QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue")
    )
}

/// How many queues are listed that a missing one may have been meant to be: as many as a screen has room for.
const LISTED: usize = 20;

/// SQS returns up to this many queues at once.
const PAGE: i32 = 1000;

/// Why a queue is not found, with those that exist, if they may be listed.
async fn missing(sqs: &Service<Client>, name: &str) -> String {
    let listed = sqs.client.list_queues().max_results(PAGE).send().await;
    let urls = listed.map(|listed| listed.queue_urls.unwrap_or_default());
    let names = urls
        .iter()
        .flatten()
        .map(|url| url.rsplit('/').next().unwrap_or_default());
    not_found(name, names.collect(), &sqs.endpoint)
}

fn not_found(name: &str, mut names: Vec<&str>, endpoint: &str) -> String {
    let suggestion = did_you_mean(name, names.iter().copied());
    // First those whose name has another prefix, such as that of a stage.
    names.sort_by_key(|known| (!known.contains(name), *known));
    let more = match names.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    names.truncate(LISTED);
    let there_are = match names.is_empty() {
        true => String::new(),
        false => format!("; at {endpoint} there are {}{more}", names.join(", ")),
    };
    format!("there is no queue {}{suggestion}{there_are}", printable(name))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A queue that is not reached.
    pub(crate) fn queue(url: &str) -> Queue {
        let config = aws_sdk_sqs::Config::builder().behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest());
        Queue {
            client: Client::from_conf(config.build()),
            url: url.to_owned(),
            endpoint: String::new(),
            content_based: OnceCell::new(),
        }
    }

    #[test]
    fn a_missing_queue_is_reported_with_those_that_exist() {
        let found = |name, names: &[&str]| not_found(name, names.to_vec(), "AWS");
        assert_eq!(found("payment", &[]), "there is no queue payment");
        assert_eq!(
            found("payment", &["orders", "payments"]),
            "there is no queue payment; did you mean payments?; at AWS there are payments, orders"
        );
        assert_eq!(
            found("orders", &["dev-mail", "prod-orders"]),
            "there is no queue orders; at AWS there are prod-orders, dev-mail"
        );
        let many: Vec<_> = (10..35).map(|n| format!("q{n}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        let text = found("nowhere", &many);
        assert!(
            text.contains("there are q10, ") && text.ends_with(", q29, and 5 more"),
            "{text}"
        );
    }

    #[test]
    fn what_is_no_queue_url_is_named_for_what_it_is() {
        for (text, expected) in [
            ("https://sqs.eu-west-1.amazonaws.com/111122223333/orders.fifo", None),
            ("http://127.0.0.1:4566/000000000000/orders", None),
            ("http://localhost:4566/queue/us-east-1/000000000000/orders", None),
            ("arn:aws:sqs:eu-west-1:111122223333:orders", Some("is an ARN")),
            ("orders", Some("is not a URL")),
            ("", Some("is not a URL")),
            ("ftp://host/1/orders", Some("is not a URL")),
            (
                "https://sqs.${AWS::Region}.amazonaws.com/1/orders",
                Some("is not a URL"),
            ),
            (
                "https://sqs.eu-west-1.amazonaws.com/1/orders\n",
                Some("contains white space"),
            ),
            (
                " https://sqs.eu-west-1.amazonaws.com/1/orders",
                Some("contains white space"),
            ),
            ("https://sqs.eu-west-1.amazonaws.com", Some("is not a queue's URL")),
            (
                "https://sqs.eu-west-1.amazonaws.com/orders",
                Some("is not a queue's URL"),
            ),
            (
                "https://sqs.eu-west-1.amazonaws.com/1/orders/",
                Some("is not a queue's URL"),
            ),
        ] {
            let problem = url_problem(text);
            match expected {
                None => assert_eq!(problem, None, "{text}"),
                Some(expected) => assert!(
                    problem.is_some_and(|why| why.starts_with(expected)),
                    "{text}: {problem:?}"
                ),
            }
        }
    }

    #[test]
    fn a_queue_is_the_one_of_its_region_account_and_name() {
        let arn = "arn:aws:sqs:eu-west-1:111122223333:orders";
        for (url, expected) in [
            ("https://sqs.eu-west-1.amazonaws.com/111122223333/orders", true),
            (
                "https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com/111122223333/orders",
                true,
            ),
            ("https://sqs.eu-west-1.api.aws/111122223333/orders", true),
            ("https://eu-west-1.queue.amazonaws.com/111122223333/orders", true),
            ("http://127.0.0.1:4566/111122223333/orders", true),
            (
                "http://ec2-1-2-3-4.compute-1.amazonaws.com:4566/111122223333/orders",
                true,
            ),
            ("https://sqs.eu-west-2.api.aws/111122223333/orders", false),
            ("https://sqs-fips.us-east-1.amazonaws.com/111122223333/orders", false),
            ("https://us-west-2.queue.amazonaws.com/111122223333/orders", false),
            ("https://queue.amazonaws.com/111122223333/orders", false),
            ("https://sqs.eu-west-2.amazonaws.com/111122223333/orders", false),
            ("https://sqs.eu-west-1.amazonaws.com/444455556666/orders", false),
            ("https://sqs.eu-west-1.amazonaws.com/111122223333/orders-2", false),
            ("orders", false),
        ] {
            assert_eq!(queue(url).is(arn), expected, "{url}");
        }
        let legacy = queue("https://queue.amazonaws.com/111122223333/orders");
        assert!(legacy.is("arn:aws:sqs:us-east-1:111122223333:orders"));
        for no_arn in ["", ":", "orders", "::"] {
            assert!(!queue("http://127.0.0.1//").is(no_arn), "{no_arn}");
        }
    }
}
