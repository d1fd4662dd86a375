//! Stop signals.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Up, directory, file, local, template, until, workspace};

#[test]
fn ctrl_c_stops_a_running_stack_in_order() {
    let directory = directory("interrupted");
    let path = file(&directory, "template.yaml", &template(None));
    let mut up = Up::start(&path);
    up.signal(Signal::INT);
    let (status, rest) = up.ended();
    assert!(status.success() && rest.ends_with("stopped\n"), "{status}: {rest}");
}

#[test]
fn a_closed_output_does_not_stop_the_stack() {
    let directory = directory("unread");
    let path = file(&directory, "template.yaml", &template(None));
    let body = file(&directory, "body.json", "{}");
    let mut up = Up::start(&path);
    up.lines = None;
    let sent = local()
        .args(["send", "orders", &body, "--endpoint-url", &up.endpoint])
        .status()
        .unwrap();
    assert!(sent.success());
    up.signal(Signal::INT);
    assert!(up.child.wait().unwrap().success());
}

#[test]
fn ctrl_c_during_the_build_ends_cargo_and_exits_with_130() {
    let path = workspace("slow", "fn main() {}");
    let directory = Path::new(&path).parent().unwrap();
    let pid = directory.join("pid");
    let script = format!(
        "fn main() {{ std::fs::write({pid:?}, std::process::id().to_string()).unwrap(); loop {{ std::thread::park() }} }}"
    );
    file(directory, "build.rs", &script);
    let mut up = local();
    up.args(["up", "--port", "0", "--template", &path])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut up = up.spawn().unwrap();
    let script = started(&pid);
    kill_process(Pid::from_child(&up), Signal::INT).unwrap();
    assert_eq!(up.wait().unwrap().code(), Some(130));
    until("the end of the build script", || is_gone(script));
}

#[test]
fn no_function_outlives_a_stopped_stack() {
    let path = workspace("endless", "fn main() {}");
    let directory = Path::new(&path).parent().unwrap();
    let pid = directory.join("pid");
    let main = format!(
        "fn main() {{ std::fs::write({pid:?}, std::process::id().to_string()).unwrap(); loop {{ std::thread::park() }} }}"
    );
    file(directory, "src/main.rs", &main);
    let mut up = Up::start(&path);
    let event = file(directory, "event.json", "{}");
    let mut invoke = local();
    invoke
        .args(["invoke", "work", &event, "--endpoint-url", &up.endpoint])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut invoke = invoke.spawn().unwrap();
    let function = started(&pid);
    up.signal(Signal::TERM);
    assert!(up.ended().0.success());
    assert!(is_gone(function));
    assert_eq!(invoke.wait().unwrap().code(), Some(1));
}

/// Waits for a process that writes its ID to a file, and returns that ID.
fn started(file: &Path) -> Pid {
    let read = || Pid::from_raw(fs::read_to_string(file).ok()?.parse().ok()?);
    until("the start of the process", || read().is_some());
    read().unwrap()
}

fn is_gone(process: Pid) -> bool {
    rustix::process::test_kill_process(process).is_err()
}
