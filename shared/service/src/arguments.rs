//! The command line of a host.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use host::SettingError;

use crate::run::UNUSABLE;

/// How long `--health` waits: shorter than an orchestrator does.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);

/// A host as its command line describes it.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// What `--help` prints of its settings.
    pub settings: &'static str,
    /// Where it serves `/live`.
    pub health: fn() -> Result<SocketAddr, SettingError>,
    /// The setting that states it.
    pub health_setting: &'static str,
}

/// What a host is to do.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Run,
    /// Run as a service of Windows.
    #[cfg(windows)]
    Service,
    /// Check whether a running host is live.
    Health,
    Help,
    Unknown(String),
}

fn command(mut arguments: impl Iterator<Item = String>) -> Command {
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Command::Run,
        (Some("--health"), None) => Command::Health,
        #[cfg(windows)]
        (Some("--service"), None) => Command::Service,
        (Some("--help" | "-h"), None) => Command::Help,
        (Some("--health" | "--help" | "-h"), Some(argument)) => Command::Unknown(argument),
        (Some(argument), _) => Command::Unknown(argument.to_owned()),
    }
}

/// The exit code of a command that is not to run the host.
pub(crate) async fn handle(host: Program) -> Option<u8> {
    let mut arguments = std::env::args();
    let program = arguments.next().unwrap_or_default();
    let program = program
        .rsplit(['/', std::path::MAIN_SEPARATOR])
        .next()
        .unwrap_or_default();
    match command(arguments) {
        Command::Run => None,
        #[cfg(windows)]
        Command::Service => {
            let error = crate::supervisor::start().await.err()?;
            let why = consumer::Chain(&error);
            print(
                std::io::stderr(),
                &format!("--service is for the service control manager, which did not start this process: {why}\n"),
            );
            Some(UNUSABLE)
        }
        Command::Health => Some(match health(host.health) {
            Ok(()) => 0,
            Err(why) => {
                print(std::io::stderr(), &format!("{why}\n"));
                1
            }
        }),
        Command::Help => {
            let Program {
                summary,
                settings,
                health_setting,
                ..
            } = host;
            let service = match cfg!(windows) {
                true => "  --service  runs as a service of Windows; LOG_FILE is required\n",
                false => "",
            };
            let usage = format!("{summary}\n\nUsage: {program} [OPTION]\n\n");
            let options = format!("  --health   exits with 0 if the host at {health_setting} is live\n{service}\n");
            print(std::io::stdout(), &format!("{usage}{options}{settings}"));
            Some(0)
        }
        Command::Unknown(argument) => {
            print(
                std::io::stderr(),
                &format!("unknown argument {argument:?}; see {program} --help\n"),
            );
            Some(UNUSABLE)
        }
    }
}

/// Whether the host on this machine is live. Without a client library: it is one request, to a server of ours.
fn health(address: fn() -> Result<SocketAddr, SettingError>) -> Result<(), String> {
    let address = reachable(address().map_err(|error| error.to_string())?);
    let failed = |error: std::io::Error| format!("no answer from http://{address}/live: {error}");
    let mut stream = TcpStream::connect_timeout(&address, HEALTH_TIMEOUT).map_err(failed)?;
    stream.set_read_timeout(Some(HEALTH_TIMEOUT)).map_err(failed)?;
    let request = format!("GET /live HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut reply = String::new();
    stream.take(4096).read_to_string(&mut reply).map_err(failed)?;
    match reply.starts_with("HTTP/1.1 200 ") {
        true => Ok(()),
        false => Err(format!(
            "http://{address}/live: {}",
            reply.lines().next().unwrap_or("no reply")
        )),
    }
}

/// Where a server is reached that listens at this address: one that listens at all, by loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, v6.port()).into(),
        address => address,
    }
}

/// A closed output is no error of the command.
pub(crate) fn print(mut output: impl Write, text: &str) {
    let _ = output.write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Command {
        command(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn a_host_has_no_arguments_but_health_and_help() {
        assert_eq!(parsed(&[]), Command::Run);
        assert_eq!(parsed(&["--health"]), Command::Health);
        assert_eq!(parsed(&["-h"]), Command::Help);
        assert_eq!(parsed(&["--healthy"]), Command::Unknown("--healthy".to_owned()));
        assert_eq!(parsed(&["--health", "now"]), Command::Unknown("now".to_owned()));
    }

    #[test]
    fn a_server_at_all_addresses_is_reached_by_loopback() {
        for (listens, reached) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("10.0.0.7:80", "10.0.0.7:80"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()), reached.parse().unwrap());
        }
    }
}
