//! Which server, how to reach it, and which table.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::connector::Connector;
use crate::roots::{RootsError, roots};
use crate::table::Table;

/// PostgreSQL allows 100 connections to a server unless configured otherwise: room for ten processes.
const MAX_CONNECTIONS: usize = 10;

/// A change waits for other changes of its key, which take milliseconds. Longer than this, and the connection is probably dead.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An attempt to connect that takes longer fails, unless the URL states another limit.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that a firewall has forgotten is noticed in a minute, not in two hours.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// How to reach a ledger in PostgreSQL. `Debug` shows no password.
#[derive(Clone)]
pub struct Settings {
    pub(crate) config: Config,
    pub(crate) connector: Connector,
    pub(crate) table: Table,
    pub(crate) max_connections: usize,
    pub(crate) timeout: Duration,
}

/// A setting that can't be used. Its text contains no password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The text is no URL of PostgreSQL.
    #[error(
        "the PostgreSQL URL can't be read: {0}; expected postgres://user:password@host:5432/database?sslmode=verify-full"
    )]
    Url(String),
    /// A value of `sslmode` that is not supported.
    #[error("unsupported: sslmode={0:?} in the PostgreSQL URL; use verify-full, require, prefer or disable")]
    SslMode(String),
    /// The file of root certificates can't be used.
    #[error("sslrootcert in the PostgreSQL URL names {path:?}, which {problem}")]
    Roots {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The name of the table can't be used.
    #[error("{0:?} is no name of a table: expected TABLE or SCHEMA.TABLE, each at most 52 bytes, without another dot")]
    Table(String),
}

impl From<RootsError> for SettingsError {
    fn from(RootsError { path, problem }: RootsError) -> Self {
        Self::Roots { path, problem }
    }
}

impl Settings {
    /// The server and database of a URL, and the table `ledger`.
    ///
    /// Beside the [options of tokio-postgres](https://docs.rs/tokio-postgres/latest/tokio_postgres/config/struct.Config.html), the URL may
    /// have `sslmode` (`verify-full` unless stated) and `sslrootcert`, the path of a PEM file. See the README.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] if the URL or the file of certificates can't be used.
    pub fn from_url(url: &str) -> Result<Self, SettingsError> {
        let (url, options) = separate(url)?;
        let mut config = Config::from_str(&url).map_err(|error| SettingsError::Url(reason(&error)))?;
        if config.get_hosts().is_empty() {
            return Err(SettingsError::Url("it names no host".to_owned()));
        }
        config.ssl_mode(options.ssl_mode);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name("ledger");
        }
        config.keepalives_idle(KEEPALIVE);
        let roots = roots(options.ssl_root_cert.as_deref())?;
        Ok(Self {
            config,
            connector: Connector::new(roots),
            table: Table::default(),
            max_connections: MAX_CONNECTIONS,
            timeout: TIMEOUT,
        })
    }

    /// Another table than `ledger`: its name, or `schema.name`. Upper and lower case count.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Table`] if PostgreSQL has no such names.
    pub fn with_table(self, name: &str) -> Result<Self, SettingsError> {
        let table = Table::parse(name).ok_or_else(|| SettingsError::Table(name.to_owned()))?;
        Ok(Self { table, ..self })
    }

    /// At most this many connections at a time, and at least one. Ten unless stated.
    #[must_use]
    pub fn with_max_connections(self, max_connections: usize) -> Self {
        Self {
            max_connections: max_connections.max(1),
            ..self
        }
    }

    /// Give up a request that takes longer, connecting included, and close its connection. Ten seconds unless stated. The ledger sends it
    /// again on another connection.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The server, for texts of errors.
    pub(crate) fn server(&self) -> String {
        let ports = self.config.get_ports();
        let port = |position: usize| ports.get(position).or(ports.first()).copied().unwrap_or(5432);
        let hosts = self
            .config
            .get_hosts()
            .iter()
            .enumerate()
            .map(|(position, host)| match host {
                Host::Tcp(host) => format!("{host}:{}", port(position)),
                #[cfg(unix)]
                Host::Unix(path) => format!("{}:{}", path.display(), port(position)),
            });
        hosts.collect::<Vec<_>>().join(",")
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("server", &self.server())
            .field("table", &self.table.plain())
            .field("max_connections", &self.max_connections)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// The options that are not tokio-postgres's own.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    ssl_mode: SslMode,
    ssl_root_cert: Option<PathBuf>,
}

/// The URL without the options that are read here.
fn separate(url: &str) -> Result<(String, Options), SettingsError> {
    let unreadable = |why: &str| SettingsError::Url(why.to_owned());
    let rest = url
        .strip_prefix("postgres://")
        .or_else(|| url.strip_prefix("postgresql://"));
    let rest = rest.ok_or_else(|| unreadable("it does not begin with postgres://"))?;
    // Otherwise a part of a password would be read as a host or an option, and end up in texts of errors.
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if rest.matches('@').count() > 1 || rest.contains('@') != authority.contains('@') {
        return Err(unreadable(
            "write @ as %40, / as %2F and ? as %3F in user, password and options",
        ));
    }
    let mut options = Options {
        ssl_mode: SslMode::Require,
        ssl_root_cert: None,
    };
    let Some((before, query)) = url.split_once('?') else {
        return Ok((url.to_owned(), options));
    };
    let mut others = Vec::new();
    for option in query.split('&') {
        match option.split_once('=') {
            Some(("sslmode", mode)) => options.ssl_mode = ssl_mode(mode)?,
            Some(("sslrootcert", path)) => options.ssl_root_cert = Some(decoded(path)?.into()),
            _ => others.push(option),
        }
    }
    let url = match others.is_empty() {
        true => before.to_owned(),
        false => format!("{before}?{}", others.join("&")),
    };
    Ok((url, options))
}

/// With TLS, the certificate is always verified: its chain, and that it is valid for the host.
fn ssl_mode(mode: &str) -> Result<SslMode, SettingsError> {
    match mode {
        "disable" => Ok(SslMode::Disable),
        "prefer" => Ok(SslMode::Prefer),
        "require" | "verify-full" => Ok(SslMode::Require),
        other => Err(SettingsError::SslMode(other.to_owned())),
    }
}

/// A percent-encoded text.
fn decoded(text: &str) -> Result<String, SettingsError> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        bytes.push(match byte {
            b'%' => match (digit(rest.next()), digit(rest.next())) {
                (Some(high), Some(low)) => u8::try_from(high * 16 + low).unwrap_or_default(),
                _ => {
                    return Err(SettingsError::Url(
                        "sslrootcert has a % without two hexadecimal digits".to_owned(),
                    ));
                }
            },
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| SettingsError::Url("sslrootcert is no UTF-8".to_owned()))
}

/// The reason alone; it names an option or a part of the URL, never a value.
fn reason(error: &tokio_postgres::Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    source.unwrap_or_else(|| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        Settings::from_url(url).unwrap_err().to_string()
    }

    #[test]
    fn a_url_names_server_and_database() {
        let settings =
            Settings::from_url("postgresql://app:p%40ss@db.example.com:6432/orders?connect_timeout=2").unwrap();
        let config = &settings.config;
        assert_eq!((config.get_user(), config.get_dbname()), (Some("app"), Some("orders")));
        assert_eq!(config.get_password(), Some(&b"p@ss"[..]));
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(2)));
        assert_eq!(settings.server(), "db.example.com:6432");
        assert_eq!(settings.table.plain(), "ledger");
        let two = Settings::from_url("postgres://app@one:1,two:2/orders").unwrap();
        assert_eq!(two.server(), "one:1,two:2");
    }

    #[test]
    fn tls_is_required_unless_the_url_states_otherwise() {
        for (option, mode) in [
            ("", SslMode::Require),
            ("?sslmode=verify-full", SslMode::Require),
            ("?sslmode=require&application_name=a", SslMode::Require),
            ("?application_name=a&sslmode=prefer", SslMode::Prefer),
            ("?sslmode=disable", SslMode::Disable),
        ] {
            let settings = Settings::from_url(&format!("postgres://app@db/orders{option}")).unwrap();
            assert_eq!(settings.config.get_ssl_mode(), mode, "{option}");
        }
        for mode in ["allow", "verify-ca", "no-verify", ""] {
            let problem = refused(&format!("postgres://app@db/orders?sslmode={mode}"));
            assert!(
                problem.starts_with(&format!("unsupported: sslmode={mode:?} ")),
                "{problem}"
            );
        }
    }

    #[test]
    fn a_file_of_certificates_is_named() {
        let problem = refused("postgres://app@db/orders?sslrootcert=/no%20where/ca.pem");
        assert!(
            problem.starts_with("sslrootcert in the PostgreSQL URL names \"/no where/ca.pem\", which can't be read")
        );
        assert!(refused("postgres://app@db/orders?sslrootcert=%4").contains("two hexadecimal digits"));
    }

    #[test]
    fn no_part_of_a_password_is_shown() {
        for url in [
            "postgres://app:sec@ret@db/orders",
            "postgres://app:sec/ret@db/orders",
            "postgres://app:sec?ret=x@db/orders",
            "postgres://app:secret@db:sec/orders",
            "app:secret@db",
            "mysql://app:secret@db/orders",
            "postgres://app:secret@/orders",
            "postgres://app:secret@db/orders?sslrootcert",
            "postgres://app:secret@db/orders?port=x",
            "postgres://app:secret@db/orders?unknown=x",
        ] {
            let problem = refused(url);
            assert!(
                !problem.contains("sec") && !problem.contains("ret@"),
                "{url}: {problem}"
            );
        }
        let settings = Settings::from_url("postgres://app:secret@db/orders?password=secret").unwrap();
        assert!(!format!("{settings:?}").contains("secret"));
        assert!(refused("postgres://app:secret@db/orders?unknown=x").contains("unknown"));
    }

    #[test]
    fn a_table_has_a_schema_or_none() {
        let settings = Settings::from_url("postgres://app@db/orders").unwrap();
        let table = |name| settings.clone().with_table(name).map(|settings| settings.table.plain());
        assert_eq!(table("app.ledger"), Ok("app.ledger".to_owned()));
        assert!(
            table("a.b.c")
                .unwrap_err()
                .to_string()
                .starts_with("\"a.b.c\" is no name of a table: ")
        );
    }
}
