//! The URL of a queue, with what it needs to be used.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, Scheme};

use crate::account::Account;
use crate::encoding::Encoding;

/// A worker that dies keeps other workers from its messages for this long.
const WINDOW: Duration = Duration::from_secs(60);
/// Settling has a fifth of it, and a slow request takes seconds.
const SHORTEST_WINDOW: u64 = 30;
const LONGEST_WINDOW: u64 = 24 * 60 * 60;
/// The suffix of the queue for dead letters, which is that of Azure Functions
/// ([trigger](https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger#poison-messages)).
const POISON: &str = "-poison";
/// Names have 3 to 63 characters
/// ([naming](https://learn.microsoft.com/rest/api/storageservices/naming-queues-and-metadata)).
const LONGEST_NAME: usize = 63;
/// The clouds of Azure.
const CLOUDS: [&str; 3] = [
    "queue.core.windows.net",
    "queue.core.usgovcloudapi.net",
    "queue.core.chinacloudapi.cn",
];
const SETTINGS: &str = "encoding, envelope, window, and those of a SAS token";

/// The URL of a queue: `https://ACCOUNT.queue.core.windows.net/QUEUE`, or that of an emulator with the account in its path:
/// `http://127.0.0.1:10001/devstoreaccount1/QUEUE`.
///
/// Its query may hold a SAS token, and the settings that the page of this crate lists. Neither is shown by `Display` and `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct AzureQueueUrl {
    pub(crate) account: Account,
    pub(crate) queue: String,
    /// The SAS token: the query without our settings.
    pub(crate) sas: Option<String>,
    pub(crate) encoding: Encoding,
    /// Whether a body is a CloudEvents event.
    pub(crate) is_enveloped: bool,
    pub(crate) window: Duration,
}

/// Why a text is not the URL of a queue. Nothing of the text is quoted, because it may hold a SAS token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not the URL of a Storage Queue: {0}")]
pub struct InvalidUrl(String);

impl AzureQueueUrl {
    /// The queue for dead letters: the one with the suffix `-poison`, as for Azure Functions.
    pub fn dead_letter_queue(&self) -> String {
        self.account.queue_url(&format!("{}{POISON}", self.queue))
    }
}

/// Whether a host whose queue is a Storage Queue can send to a destination: for `host::accept_queues`.
///
/// # Errors
///
/// What is wrong with it. A query is not quoted.
pub fn check_destination(url: &str) -> Result<(), String> {
    match url.contains('?') {
        // It would be in logs, and in records of the ledger.
        true => Err("has a query: remove it, requests have the credentials of the queue that is polled".to_owned()),
        false => url
            .parse()
            .map(|_: AzureQueueUrl| ())
            .map_err(|why: InvalidUrl| why.to_string()),
    }
}

/// Without SAS token and settings.
impl fmt::Display for AzureQueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.account.queue_url(&self.queue))
    }
}

impl fmt::Debug for AzureQueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AzureQueueUrl({self})")
    }
}

impl FromStr for AzureQueueUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let invalid = |why: &str| InvalidUrl(why.to_owned());
        let uri: Uri = text.parse().map_err(|_| invalid("it can't be parsed"))?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let (Some(scheme), Some(authority)) = (uri.scheme(), authority) else {
            return Err(invalid(
                "it must begin with https:// or http:// and a host, without user info",
            ));
        };
        let segments: Vec<_> = uri.path().trim_start_matches('/').split('/').collect();
        let (account, queue) = match (segments[..].as_ref(), account_in(authority)) {
            ([queue], Some(account)) if !queue.is_empty() => (Account::new(scheme, authority, account, false), *queue),
            ([account, queue], None) if !account.is_empty() => (Account::new(scheme, authority, account, true), *queue),
            _ => {
                return Err(invalid(
                    "it must be https://ACCOUNT.queue.core.windows.net/QUEUE, or for an emulator http://HOST:PORT/ACCOUNT/QUEUE",
                ));
            }
        };
        if scheme != &Scheme::HTTPS && account_in(authority).is_some() {
            return Err(invalid(
                "it must begin with https://, because its requests have credentials",
            ));
        }
        check_name(queue)?;
        let mut url = Self {
            account,
            queue: queue.to_owned(),
            sas: None,
            encoding: Encoding::Base64,
            is_enveloped: true,
            window: WINDOW,
        };
        url.set_all(uri.query().unwrap_or_default())?;
        if url.sas.is_some() && scheme != &Scheme::HTTPS && !is_loopback(authority) {
            return Err(invalid("it must begin with https://, because it has a SAS token"));
        }
        Ok(url)
    }
}

/// The account in a host of Azure. No other host gets an access token.
fn account_in(authority: &Authority) -> Option<&str> {
    let (account, service) = authority.host().split_once('.')?;
    CLOUDS.contains(&service).then_some(account)
}

/// Whether others can't read what is sent there.
fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn check_name(name: &str) -> Result<(), InvalidUrl> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let hyphens = name.starts_with('-') || name.ends_with('-') || name.contains("--");
    match (3..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(allowed) && !hyphens {
        true => Ok(()),
        false => Err(InvalidUrl(format!(
            "queue {name:?} has no valid name: 3 to {LONGEST_NAME} of the characters a-z, 0-9 and single hyphens within"
        ))),
    }
}

impl AzureQueueUrl {
    /// An emulator may have a shorter one, for tests: a busy worker would lose its messages.
    fn window_of(&self, seconds: &str) -> Result<Duration, InvalidUrl> {
        let shortest = if self.account.is_of_azure() { SHORTEST_WINDOW } else { 1 };
        match seconds.parse() {
            Ok(seconds) if (shortest..=LONGEST_WINDOW).contains(&seconds) => Ok(Duration::from_secs(seconds)),
            _ => Err(InvalidUrl(format!(
                "window must be a number of seconds from {shortest} to {LONGEST_WINDOW}"
            ))),
        }
    }

    fn set_all(&mut self, query: &str) -> Result<(), InvalidUrl> {
        let mut sas = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (name, value) {
                ("encoding", "base64") => self.encoding = Encoding::Base64,
                ("encoding", "none") => self.encoding = Encoding::None,
                ("encoding", _) => return Err(InvalidUrl("encoding must be base64 or none".to_owned())),
                ("envelope", "cloudevents") => self.is_enveloped = true,
                ("envelope", "none") => self.is_enveloped = false,
                ("envelope", _) => return Err(InvalidUrl("envelope must be cloudevents or none".to_owned())),
                ("window", seconds) => self.window = self.window_of(seconds)?,
                // The names of its parameters ([SAS](https://learn.microsoft.com/rest/api/storageservices/create-account-sas)).
                _ if name.len() <= 5 && name.starts_with('s') => sas.push(pair),
                _ => {
                    return Err(InvalidUrl(format!(
                        "unknown setting in its query; known are {SETTINGS}"
                    )));
                }
            }
        }
        let is_signed = sas.iter().any(|pair| pair.starts_with("sig="));
        if !sas.is_empty() && !is_signed {
            return Err(InvalidUrl(
                "the SAS token in its query has no `sig`: is it cut off?".to_owned(),
            ));
        }
        self.sas = is_signed.then(|| sas.join("&"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> AzureQueueUrl {
        url.parse().unwrap()
    }

    #[test]
    fn a_url_names_account_and_queue() {
        let azure = parsed("https://shop.queue.core.windows.net/orders");
        assert_eq!((azure.account.name.as_str(), azure.queue.as_str()), ("shop", "orders"));
        assert_eq!(
            azure.dead_letter_queue(),
            "https://shop.queue.core.windows.net/orders-poison"
        );

        let azurite = parsed("http://127.0.0.1:10001/devstoreaccount1/orders");
        assert_eq!(
            (azurite.account.name.as_str(), azurite.queue.as_str()),
            ("devstoreaccount1", "orders")
        );
        assert_eq!(azurite.to_string(), "http://127.0.0.1:10001/devstoreaccount1/orders");
        parsed("https://shop.queue.core.usgovcloudapi.net/orders");
    }

    #[test]
    fn settings_are_taken_out_of_the_sas_token_and_neither_is_shown() {
        let url = parsed(
            "https://shop.queue.core.windows.net/orders?sv=2021&encoding=none&sig=secret%3D&envelope=none&window=45",
        );
        assert_eq!(url.sas.as_deref(), Some("sv=2021&sig=secret%3D"));
        assert_eq!(
            (url.encoding, url.is_enveloped, url.window),
            (Encoding::None, false, Duration::from_secs(45))
        );
        let shown = format!("{url} {url:?} {}", url.dead_letter_queue());
        assert!(!shown.contains('?') && !shown.contains("secret"), "{shown}");
        let plain = parsed("https://shop.queue.core.windows.net/orders");
        assert_eq!(
            (plain.sas, plain.encoding, plain.is_enveloped),
            (None, Encoding::Base64, true)
        );
    }

    #[test]
    fn a_destination_is_a_url_without_a_query() {
        assert_eq!(check_destination("https://shop.queue.core.windows.net/orders"), Ok(()));
        for (other, problem) in [
            ("https://shop.queue.core.windows.net/orders?sig=secret", "has a query"),
            (
                "https://sqs.eu-central-1.amazonaws.com/1/a_b",
                "is not the URL of a Storage Queue",
            ),
            ("amqp:orders", "is not the URL of a Storage Queue"),
        ] {
            let why = check_destination(other).unwrap_err();
            assert!(why.contains(problem) && !why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn what_is_no_queue_url_is_refused_without_quoting_its_query() {
        for (url, problem) in [
            ("orders", "must begin with"),
            ("https://user@shop.queue.core.windows.net/orders", "without user info"),
            ("https://shop.queue.core.windows.net", "must be https://ACCOUNT"),
            (
                "https://shop.queue.core.windows.net/a/orders",
                "must be https://ACCOUNT",
            ),
            ("http://shop.queue.core.windows.net/orders", "must begin with https://"),
            ("http://127.0.0.1:10001/orders", "must be https://ACCOUNT"),
            (
                "https://shop.queue.core.windows.net/Orders",
                "\"Orders\" has no valid name",
            ),
            ("https://shop.queue.core.windows.net/or", "\"or\" has no valid name"),
            ("https://shop.queue.core.windows.net/a--b", "single hyphens"),
            ("https://shop.queue.core.windows.net/orders?sv=secret", "has no `sig`"),
            ("https://shop.queue.core.windows.net/orders?secret=1", "unknown setting"),
            (
                "https://shop.queue.core.windows.net/orders?encoding=secret",
                "base64 or none",
            ),
            (
                "https://shop.queue.core.windows.net/orders?envelope=secret",
                "cloudevents or none",
            ),
            ("https://shop.queue.core.windows.net/orders?window=29", "from 30 to"),
            ("http://127.0.0.1:10001/a/orders?window=0", "from 1 to"),
            ("https://shop.queue.core.example.com/orders", "must be https://ACCOUNT"),
            (
                "http://azurite:10001/devstoreaccount1/orders?sv=1&sig=secret",
                "it has a SAS token",
            ),
        ] {
            let why = url.parse::<AzureQueueUrl>().unwrap_err().to_string();
            assert!(why.contains(problem) && !why.contains("secret"), "{url}: {why}");
        }
    }
}
