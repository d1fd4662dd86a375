//! PostgreSQL.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use rustix::process::{Signal, geteuid};
use tokio::process::Command;

use super::ServerError;
use super::folder::Folder;
use super::server::{Server, failed, found, free_ports, path, run};

const NAME: &str = "postgres";

/// Where Debian has the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";

const PASSWORD: &str = "local";

/// The folder of the database's programs: of the latest version, or in PATH.
pub(super) fn folder() -> Result<PathBuf, ServerError> {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut versions: Vec<_> = versions.map(|entry| entry.path()).collect();
    versions.sort_by_key(number);
    let folders = versions.into_iter().rev().map(|version| version.join("bin"));
    found(folders.chain(path()), "initdb").ok_or(ServerError::NotInstalled {
        program: "PostgreSQL",
        package: "postgresql",
    })
}

/// Who runs the database: another user than root, which it refuses.
#[derive(Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// `None`: the user of this process.
    fn find() -> Result<Option<Self>, ServerError> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self::named(&users, "postgres").map(Some).ok_or(ServerError::NoUser)
    }

    fn named(users: &str, name: &str) -> Option<Self> {
        let of = |line: &str| {
            let mut fields = line.split(':');
            let found = fields.next()? == name;
            let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            found.then_some(Self { uid, gid })
        };
        users.lines().find_map(of)
    }
}

/// A running database, on loopback.
pub(super) struct Database {
    server: Server,
    programs: PathBuf,
    port: u16,
}

impl Database {
    pub(super) async fn start(files: &Folder) -> Result<Self, ServerError> {
        let (programs, user) = (folder()?, User::find()?);
        let [port] = free_ports()?;
        let own = files.path().join("postgresql");
        let data = own.join("data");
        if !data.join("PG_VERSION").exists() {
            create(&programs, &own, user).await?;
        }
        let mut command = as_user(&programs.join(NAME), user);
        command.arg("-D").arg(&data);
        let port_setting = format!("port={port}");
        // What only a crash of the machine could lose, a scratch database may lose.
        let fsync = format!("fsync={}", if files.is_kept() { "on" } else { "off" });
        for setting in [
            &port_setting,
            &fsync,
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
        ] {
            command.args(["-c", setting]);
        }
        let mut server = Server::start(NAME, command, &own.join("output.log"))?;
        let (text, ready) = (port.to_string(), programs.join("pg_isready"));
        let probe = async || {
            let mut ready = Command::new(&ready);
            let answered = ready.args(["-q", "-h", "127.0.0.1", "-p", &text]).status().await;
            answered.is_ok_and(|status| status.success())
        };
        server.ready(probe).await?;
        Ok(Self { server, programs, port })
    }

    pub(super) fn url(&self) -> String {
        format!(
            "postgres://app:{PASSWORD}@127.0.0.1:{}/postgres?sslmode=disable",
            self.port
        )
    }

    pub(super) fn show_ledger(&self) -> String {
        let psql = self.programs.join("psql");
        format!("{} '{}' -c 'SELECT id, status FROM ledger'", psql.display(), self.url())
    }

    /// Runs the statements of a file.
    pub(super) async fn run(&self, file: &Path) -> Result<(), ServerError> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.arg(self.url())
            .args(["-q", "-X", "-v", "ON_ERROR_STOP=1", "-f"])
            .arg(file);
        psql.env("PGOPTIONS", "--client-min-messages=warning");
        run("psql", psql).await
    }

    pub(super) async fn stop(&mut self) {
        // Fast shutdown: sessions are ended, and nothing that was committed is lost.
        self.server.signal(Signal::INT);
        self.server.ended().await;
    }
}

async fn create(programs: &Path, own: &Path, user: Option<User>) -> Result<(), ServerError> {
    let password = own.join("password");
    let prepared = fs::create_dir_all(own)
        .and_then(|()| fs::write(&password, PASSWORD))
        .and_then(|()| match user {
            Some(User { uid, gid }) => chown(own, Some(uid), Some(gid)),
            None => Ok(()),
        });
    prepared.map_err(|why| failed(NAME, why))?;
    let mut initdb = as_user(&programs.join("initdb"), user);
    initdb.args([
        "-U",
        "app",
        "--auth=scram-sha-256",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "-N",
        "-D",
    ]);
    initdb.arg(own.join("data")).arg("--pwfile").arg(&password);
    run("initdb", initdb).await
}

fn as_user(program: &Path, user: Option<User>) -> Command {
    let mut command = Command::new(program);
    if let Some(User { uid, gid }) = user {
        // A folder that this user can enter.
        command.uid(uid).gid(gid).current_dir("/");
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_the_whole_name() {
        let users = "root:x:0:0:root:/root:/bin/bash\npostgres2:x:7:8::/:/bin/sh\nodd\npostgres:x:104:112::/:/bin/sh\n";
        let found = User::named(users, "postgres").map(|user| (user.uid, user.gid));
        assert_eq!(found, Some((104, 112)));
        assert!(User::named(users, "nobody").is_none());
    }
}
