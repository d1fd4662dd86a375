//! A connection to the broker. It never recovers by itself: what finds it broken opens another one.

use std::time::Duration;

use lapin::tcp::OwnedTLSConfig;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Connection, ConnectionProperties};
use tokio::time::timeout;

use crate::RabbitMqUrl;
use crate::fault::Fault;

/// How long the broker may take to answer a request. A publisher that it blocks gets no answer.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);
/// After twice this time of silence, in seconds, a connection counts as broken.
const HEARTBEAT: u16 = 10;

/// Connects. `purpose` is the connection's name in the broker's listings.
pub(crate) async fn connect(url: &RabbitMqUrl, purpose: &str) -> Result<Connection, Fault> {
    let failed = |fault: Fault| fault.during(&format!("can't connect to {}:{}", url.host, url.port));
    let properties = ConnectionProperties::default().with_connection_name(purpose.into());
    let tls = OwnedTLSConfig {
        identity: None,
        cert_chain: authorities(url).await?,
    };
    let runtime = lapin::runtime::default_runtime()?;
    let connected = Connection::connect_uri_with_config(uri(url), properties, tls, runtime);
    match timeout(ANSWER, connected).await {
        Ok(connected) => connected.map_err(|error| failed(with_advice(error.into()))),
        Err(_) => Err(failed(Fault::no_answer(ANSWER))),
    }
}

/// An authority that is not among the usual ones is most often one's own.
fn with_advice(fault: Fault) -> Fault {
    match fault.why.contains("UnknownIssuer") {
        true => Fault {
            why: format!(
                "{}: name a PEM file with its authority in the URL, as cacertfile",
                fault.why
            ),
            ..fault
        },
        false => fault,
    }
}

async fn authorities(url: &RabbitMqUrl) -> Result<Option<String>, Fault> {
    let Some(path) = url.authorities().cloned() else {
        return Ok(None);
    };
    let read = |path: &std::path::Path| std::fs::read_to_string(path);
    let unreadable = |error| Fault::refused(format!("can't read cacertfile {}: {error}", path.display()));
    read(&path).map(Some).map_err(unreadable)
}

fn uri(url: &RabbitMqUrl) -> AMQPUri {
    AMQPUri {
        scheme: match url.tls {
            true => AMQPScheme::AMQPS,
            false => AMQPScheme::AMQP,
        },
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: url.user.clone(),
                password: url.password.clone(),
            },
            host: url.host.clone(),
            port: url.port,
        },
        vhost: url.vhost.clone(),
        query: AMQPQueryString {
            heartbeat: Some(HEARTBEAT),
            ..AMQPQueryString::default()
        },
    }
}
