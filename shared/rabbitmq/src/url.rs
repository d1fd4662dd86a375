//! The URL that names a broker, a queue of it, and how the queue is consumed.

use std::fmt::{self, Debug, Display};
use std::path::PathBuf;
use std::str::FromStr;

use crate::query::Query;

/// A broker with the credentials for it, and the queue that messages are received from:
/// `amqp://user:password@host:5672/vhost?queue=orders`
/// ([URI specification](https://www.rabbitmq.com/docs/uri-spec)).
///
/// Neither `Display` nor `Debug` shows the credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct RabbitMqUrl {
    pub(crate) tls: bool,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) vhost: String,
    pub(crate) query: Query,
}

/// A part of a URL that can't be used, why, and what to write instead. It quotes neither user name nor password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} of the RabbitMQ URL: {why}")]
pub struct InvalidUrl {
    part: &'static str,
    why: String,
}

impl InvalidUrl {
    pub(crate) fn new(part: &'static str, why: impl Into<String>) -> Self {
        Self { part, why: why.into() }
    }
}

impl RabbitMqUrl {
    /// The queue that messages are received from, if the URL names one.
    pub fn queue(&self) -> Option<&str> {
        self.query.queue.as_deref()
    }

    /// Whether the queue keeps the order of message groups.
    pub fn is_ordered(&self) -> bool {
        self.query.ordered
    }

    /// The file with the certificates of authorities that the broker's certificate is verified with.
    pub(crate) fn authorities(&self) -> Option<&PathBuf> {
        self.query.authorities.as_ref()
    }
}

impl FromStr for RabbitMqUrl {
    type Err = InvalidUrl;

    fn from_str(url: &str) -> Result<Self, InvalidUrl> {
        let tls = url.strip_prefix("amqps://").map(|rest| (true, rest));
        let plain = || url.strip_prefix("amqp://").map(|rest| (false, rest));
        let scheme = || {
            InvalidUrl::new(
                "scheme",
                "expected amqp://user:password@host/vhost?queue=NAME, or amqps://",
            )
        };
        let (tls, rest) = tls.or_else(plain).ok_or_else(scheme)?;
        if rest.contains('#') {
            return Err(InvalidUrl::new("fragment", "unexpected '#'; write %23"));
        }
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, vhost) = match address.split_once('/') {
            Some((authority, vhost)) => (authority, virtual_host(vhost)?),
            None => (address, "/".to_owned()),
        };
        let (credentials, server) = match authority.rsplit_once('@') {
            Some((credentials, server)) => (Some(credentials), server),
            None => (None, authority),
        };
        let (user, password) = user_and_password(credentials)?;
        let (host, port) = host_and_port(server, if tls { 5671 } else { 5672 })?;
        Ok(Self {
            tls,
            user,
            password,
            host,
            port,
            vhost,
            query: query.parse()?,
        })
    }
}

fn virtual_host(text: &str) -> Result<String, InvalidUrl> {
    let part = "virtual host";
    match text {
        "" => Err(InvalidUrl::new(
            part,
            "empty; leave out the slash for the default, or write /%2f",
        )),
        _ if text.contains('/') => Err(InvalidUrl::new(part, "unexpected '/'; write %2f")),
        _ => decoded(text).ok_or_else(|| InvalidUrl::new(part, ESCAPES)),
    }
}

/// The default user of RabbitMQ, which it accepts from its own machine only.
const DEFAULT_USER: &str = "guest";
const ESCAPES: &str = "'%' must be followed by two hexadecimal digits, and the bytes must be UTF-8; write %25 for '%'";

fn user_and_password(credentials: Option<&str>) -> Result<(String, String), InvalidUrl> {
    let Some(credentials) = credentials else {
        return Ok((DEFAULT_USER.to_owned(), DEFAULT_USER.to_owned()));
    };
    let no_password = || InvalidUrl::new("password", "missing; write user:password@host");
    let (user, password) = credentials.split_once(':').ok_or_else(no_password)?;
    let decoded = |part, text| decoded(text).ok_or_else(|| InvalidUrl::new(part, ESCAPES));
    Ok((decoded("user name", user)?, decoded("password", password)?))
}

/// A part of an unescaped password may look like host or port: neither is quoted.
fn host_and_port(server: &str, default: u16) -> Result<(String, u16), InvalidUrl> {
    let bracketed = server.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, port) = match bracketed {
        Some((host, port)) => (host, port),
        None => server.split_at(server.find(':').unwrap_or(server.len())),
    };
    let escape = "In user name and password, write '/' as %2f, '?' as %3f, '@' as %40";
    let invalid = || InvalidUrl::new("port", format!("not a number from 1 to 65535. {escape}"));
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => default,
        digits => (digits.and_then(|digits| digits.parse().ok()).filter(|port| *port != 0)).ok_or_else(invalid)?,
    };
    match decoded(host) {
        Some(host) if !host.is_empty() => Ok((host, port)),
        _ => Err(InvalidUrl::new("host", format!("missing. {escape}"))),
    }
}

/// The text with its escapes replaced; `None` if one is malformed, or the result is not UTF-8.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'%' => {
                let digits = after
                    .get(..2)
                    .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
                bytes.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
                &after[2..]
            }
            other => {
                bytes.push(*other);
                after
            }
        };
    }
    String::from_utf8(bytes).ok()
}

/// The URL without credentials.
impl Display for RabbitMqUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "amqps" } else { "amqp" };
        let vhost = self.vhost.replace('%', "%25").replace('/', "%2f");
        write!(f, "{scheme}://{}:{}/{vhost}", self.host, self.port)?;
        match self.queue() {
            Some(queue) => write!(f, "?queue={queue}"),
            None => Ok(()),
        }
    }
}

impl Debug for RabbitMqUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RabbitMqUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> RabbitMqUrl {
        url.parse().unwrap()
    }

    fn why(url: &str) -> String {
        url.parse::<RabbitMqUrl>().unwrap_err().to_string()
    }

    #[test]
    fn a_url_names_broker_credentials_and_queue() {
        let url = parsed("amqps://us%40er:p%2Fa%25ss@mq.example.com:5000/my%2fhost?queue=orders&ordered=true");
        assert_eq!((url.user.as_str(), url.password.as_str()), ("us@er", "p/a%ss"));
        assert_eq!((url.tls, url.host.as_str(), url.port), (true, "mq.example.com", 5000));
        assert_eq!(
            (url.vhost.as_str(), url.queue(), url.is_ordered()),
            ("my/host", Some("orders"), true)
        );
    }

    #[test]
    fn what_a_url_leaves_out_has_the_defaults_of_rabbitmq() {
        let url = parsed("amqp://localhost");
        assert_eq!((url.user.as_str(), url.password.as_str()), ("guest", "guest"));
        assert_eq!((url.port, url.vhost.as_str(), url.queue()), (5672, "/", None));
        assert_eq!(parsed("amqps://localhost").port, 5671);
        let url = parsed("amqp://[::1]:7000");
        assert_eq!((url.host.as_str(), url.port), ("::1", 7000));
    }

    #[test]
    fn credentials_are_never_shown() {
        let url = parsed("amqp://alice:secret@host/v?queue=orders");
        let shown = format!("{url} {url:?} {:?}", Some(&url));
        assert!(!shown.contains("secret") && !shown.contains("alice"), "{shown}");
        assert_eq!(url.to_string(), "amqp://host:5672/v?queue=orders");
    }

    #[test]
    fn an_invalid_url_names_the_part_and_the_way_out() {
        for (url, part, way_out) in [
            ("http://host", "scheme", "expected amqp://"),
            ("", "scheme", "expected amqp://"),
            ("amqp://host/", "virtual host", "leave out the slash"),
            ("amqp://host/a/b", "virtual host", "write %2f"),
            ("amqp://host/%zz", "virtual host", "write %25"),
            ("amqp://host/%f", "virtual host", "write %25"),
            ("amqp://host/%ff", "virtual host", "UTF-8"),
            ("amqp://user@host", "password", "user:password@host"),
            ("amqp://us%er:p@host", "user name", "write %25"),
            ("amqp://", "host", "missing"),
            ("amqp://u:p@:5", "host", "missing"),
            ("amqp://host:0", "port", "1 to 65535"),
            ("amqp://host:", "port", "1 to 65535"),
            ("amqp://[::1]5", "port", "1 to 65535"),
            ("amqp://host?queue=a#b", "fragment", "write %23"),
        ] {
            let why = why(url);
            assert!(
                why.starts_with(&format!("{part} of")) && why.contains(way_out),
                "{url}: {why}"
            );
        }
    }

    #[test]
    fn an_unescaped_password_is_not_quoted_by_the_error() {
        for url in [
            "amqp://u:se/cret@host",
            "amqp://u:se?cret@host",
            "amqp://u:se#cret@host",
            "amqp://u:se%cret@host",
            "amqp://u:cret",
            "amqp://cret:u:x",
        ] {
            let why = why(url);
            assert!(!why.contains("cret") && !why.contains("se?"), "{url}: {why}");
        }
    }
}
