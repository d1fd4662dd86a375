//! RabbitMQ.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::ServerError;
use super::server::{Server, failed, found, free_ports, path};

const NAME: &str = "rabbitmq-server";

/// Debian's own scripts, without the wrapper in PATH that demands root or the user rabbitmq.
const DEBIAN: &str = "/usr/lib/rabbitmq/bin";

/// The folder of the broker's programs.
pub(super) fn program() -> Result<PathBuf, ServerError> {
    let folders = std::iter::once(PathBuf::from(DEBIAN)).chain(path());
    found(folders, NAME).ok_or(ServerError::NotInstalled {
        program: NAME,
        package: "rabbitmq-server",
    })
}

/// A running broker, on loopback, with Erlang's port mapper.
pub(super) struct Broker {
    server: Server,
    mapper: Server,
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    mapper_port: u16,
}

impl Broker {
    pub(super) async fn start(folder: &Path) -> Result<Self, ServerError> {
        let (programs, folder) = (program()?, folder.join("rabbitmq"));
        fs::create_dir_all(&folder).map_err(|why| failed(NAME, why))?;
        let [port, distribution, mapper_port] = free_ports()?;
        let text = "disk_free_limit.absolute = 50MB\n";
        fs::write(folder.join("rabbitmq.conf"), text).map_err(|why| failed(NAME, why))?;
        fs::write(folder.join("plugins"), "[].").map_err(|why| failed(NAME, why))?;
        // That of a broker before, whose number may be another process's by now.
        let _ = fs::remove_file(folder.join("pid"));
        // A process of this stack's own: the one that Erlang starts would outlive the broker, and listens everywhere.
        let mut epmd = Command::new("epmd");
        epmd.args(["-address", "127.0.0.1", "-port", &mapper_port.to_string()]);
        let mapper = Server::start("epmd", epmd, &folder.join("epmd.log"))?;
        let mut command = Command::new(programs.join(NAME));
        command.envs(environment(&folder, port, distribution, mapper_port));
        let mut server = Server::start(NAME, command, &folder.join("output.log"))?;
        let probe = async || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok();
        server.ready(probe).await?;
        Ok(Self {
            server,
            mapper,
            programs,
            folder,
            port,
            mapper_port,
        })
    }

    /// The user guest is accepted on loopback only.
    pub(super) fn url(&self, queue: &str) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f?queue={queue}", self.port)
    }

    pub(super) fn list_queues(&self) -> String {
        format!(
            "HOME={} ERL_EPMD_PORT={} {}/rabbitmqctl -n {NODE} list_queues",
            self.folder.display(),
            self.mapper_port,
            self.programs.display()
        )
    }

    pub(super) async fn stop(&mut self) {
        // The script starts a second Erlang to stop the first; the first stops on SIGTERM as well.
        let pid = fs::read_to_string(self.folder.join("pid")).ok();
        let pid = pid.and_then(|text| text.trim().parse().ok()).and_then(Pid::from_raw);
        match pid {
            Some(pid) => drop(kill_process(pid, Signal::TERM)),
            None => self.server.signal(Signal::TERM),
        }
        self.server.ended().await;
        self.mapper.signal(Signal::TERM);
        self.mapper.ended().await;
    }
}

/// The same at each start: the name of the folder with the messages depends on it.
const NODE: &str = "local@localhost";

fn environment(folder: &Path, port: u16, distribution: u16, mapper: u16) -> Vec<(&'static str, String)> {
    let in_folder = |name: &str| folder.join(name).display().to_string();
    vec![
        // Of Erlang's cookie.
        ("HOME", folder.display().to_string()),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("RABBITMQ_NODENAME", NODE.to_owned()),
        ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".to_owned()),
        ("RABBITMQ_NODE_PORT", port.to_string()),
        ("RABBITMQ_DIST_PORT", distribution.to_string()),
        ("RABBITMQ_BASE", folder.display().to_string()),
        ("RABBITMQ_MNESIA_BASE", in_folder("data")),
        ("RABBITMQ_LOG_BASE", in_folder("log")),
        ("RABBITMQ_PID_FILE", in_folder("pid")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", in_folder("plugins")),
        ("RABBITMQ_CONFIG_FILE", in_folder("rabbitmq")),
        ("RABBITMQ_CONF_ENV_FILE", "/dev/null".to_owned()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        ("ERL_EPMD_PORT", mapper.to_string()),
        (
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1}".to_owned(),
        ),
    ]
}
