//! Functions that run as workers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::{Pid, Signal};

use crate::harness::{Up, directory, file, refused, triggered, until};

/// A stack whose function `work` is a worker: this shell script.
fn up(name: &str, script: &str) -> Up {
    let directory = directory(name);
    let path = triggered(&directory, "job", "exit 1");
    let script = format!("#!/bin/sh\n{script}\n");
    let program = file(&directory, "job-worker/bootstrap", &script);
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_dir_all(directory.join("job")).unwrap();
    let binaries = directory.to_str().unwrap();
    Up::start_with(&path, &["--binaries", binaries, "--worker", "work"])
}

/// Without the time before it.
fn text(line: &str) -> &str {
    line.split_once(' ').unwrap().1
}

#[test]
fn a_worker_polls_its_queue_and_is_stopped_in_order() {
    let mut up = up(
        "worker",
        "trap 'echo drained; exit 0' TERM; echo polls $QUEUE_URL; while :; do sleep 0.1; done",
    );
    let introduction = up.introduction();
    let queue = introduction.lines().find(|line| line.contains("queue orders -> "));
    let (_, health) = queue.unwrap().split_once("worker work, health and metrics: ").unwrap();
    let (live, _) = health.split_once(',').unwrap();
    assert!(up.line("worker started: ").ends_with(&format!(", health at {live}")));
    let polls = format!("work: polls {}/000000000000/orders", up.endpoint);
    assert_eq!(text(&up.line("polls")), polls);
    up.signal(Signal::INT);
    assert_eq!(text(&up.line("drained")), "work: drained");
    assert_eq!(text(&up.line("worker stopped")), "work: worker stopped: exit status 0");
    let (status, rest) = up.ended();
    assert!(status.success() && rest == "stopped\n", "{status}: {rest}");
}

#[test]
fn a_worker_that_ends_is_reported_and_started_again() {
    let mut up = up("ending-worker", "echo no table >&2; exit 3");
    let ended = "work: worker ended: exit status 3; its last words: no table; starts again in";
    assert_eq!(text(&up.line("worker ended")), format!("{ended} 1 s"));
    up.line("worker started");
    assert_eq!(text(&up.line("worker ended")), format!("{ended} 2 s"));
    up.signal(Signal::TERM);
    assert!(up.ended().0.success());
}

#[test]
fn a_second_ctrl_c_kills_a_worker_at_once() {
    let mut up = up(
        "stubborn-worker",
        "trap '' TERM; echo process $$; while :; do sleep 0.1; done",
    );
    let line = up.line("work: process ");
    let id = line.rsplit(' ').next().unwrap().parse().unwrap();
    up.signal(Signal::INT);
    up.line("stopping: ");
    up.signal(Signal::INT);
    assert_eq!(up.ended().0.code(), Some(130));
    let worker = Pid::from_raw(id).unwrap();
    until("the end of the worker", || {
        rustix::process::test_kill_process(worker).is_err()
    });
}

#[test]
fn a_change_of_sources_restarts_a_worker() {
    let directory = directory("watched-worker");
    let path = triggered(&directory, "watched-worker", "");
    let manifest = "[package]\nname = \"watched-worker\"\nedition = \"2024\"\n[workspace]\n[features]\nworker = []\n\
                    [[bin]]\nname = \"watched-worker-worker\"\npath = \"src/worker.rs\"\n\
                    required-features = [\"worker\"]\n[[bin]]\nname = \"watched-worker\"\npath = \"src/main.rs\"\n";
    file(&directory, "Cargo.toml", manifest);
    file(&directory, "src/main.rs", "compile_error!(\"nobody runs this\");");
    let program = |version: &str| format!("fn main() {{ println!(\"{version}\"); loop {{ std::thread::park() }} }}");
    file(&directory, "src/worker.rs", &program("version one"));
    let mut up = Up::start_with(&path, &["--worker", "work", "--watch"]);
    up.line("work: version one");
    file(&directory, "src/worker.rs", &program("version two"));
    up.line("the functions are built");
    assert_eq!(
        text(&up.line("worker stopped")),
        "work: worker stopped: signal: terminated"
    );
    up.line("work: version two");
    up.signal(Signal::TERM);
    assert!(up.ended().0.success());
}

#[test]
fn a_package_without_a_worker_is_refused_with_the_way_out() {
    let directory = directory("no-worker");
    let path = triggered(&directory, "no-worker", "");
    file(
        &directory,
        "Cargo.toml",
        "[package]\nname = \"no-worker\"\nedition = \"2024\"\n[workspace]\n",
    );
    file(&directory, "src/main.rs", "fn main() {}");
    let (code, error) = refused(&["up", "--port", "0", "--template", &path, "--worker", "work"]);
    let workspace = Path::new(&path).parent().unwrap().display();
    let expected =
        format!("error: work can't run as a worker: no package of the workspace {workspace} builds the binary");
    assert!(error.starts_with(&expected), "{error}");
    assert!(error.contains("required-features = [\"worker\"]"), "{error}");
    assert_eq!((code, error.lines().count()), (1, 1), "{error}");

    let (code, error) = refused(&["up", "--port", "0", "--template", &path, "--worker", "wrk"]);
    let expected = "error: no function wrk to run as a worker: there is work; did you mean work?\n";
    assert_eq!((code, error.as_str()), (1, expected));
}
