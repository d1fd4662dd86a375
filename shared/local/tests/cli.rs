//! The command line's errors and exit codes: one clear line, naming what is wrong and the way out.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

fn local() -> Command {
    let mut local = Command::new(env!("CARGO_BIN_EXE_local"));
    local.current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null());
    for variable in [
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_SQS",
        "AWS_ENDPOINT_URL_LAMBDA",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
    ] {
        local.env_remove(variable);
    }
    local
}

/// Exit code and standard error of a command that has nothing to say on standard output.
fn refused(arguments: &[&str]) -> (i32, String) {
    let done = local().args(arguments).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stdout), "");
    (done.status.code().unwrap(), String::from_utf8(done.stderr).unwrap())
}

/// A directory of this test's own, empty.
fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

fn file(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A template of one queue and, if `function` is some binary's name, a function that it triggers.
fn template(function: Option<&str>) -> String {
    let mut template = "Transform: AWS::Serverless-2016-10-31\n\
         Resources:\n  Queue:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: orders\n"
        .to_owned();
    if let Some(binary) = function {
        template.push_str(&format!(
            "  Function:\n    Type: AWS::Serverless::Function\n    Metadata:\n      BuildMethod: rust-cargolambda\n      \
             BuildProperties:\n        Binary: {binary}\n    Properties:\n      FunctionName: work\n      Runtime: \
             provided.al2023\n      Handler: bootstrap\n      CodeUri: .\n      Timeout: 5\n"
        ));
    }
    template
}

/// A cargo workspace without dependencies, of one package whose `main.rs` this is, beside a template that names its binary.
fn workspace(name: &str, main: &str) -> String {
    let directory = directory(name);
    let manifest = format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n[workspace]\n");
    file(&directory, "Cargo.toml", &manifest);
    file(&directory, "src/main.rs", main);
    file(&directory, "template.yaml", &template(Some(name)))
}

/// `local up`, killed with the test if it is still there.
struct Up {
    child: Child,
    endpoint: String,
    lines: Option<BufReader<ChildStdout>>,
}

impl Up {
    fn start(template: &str) -> Self {
        Self::start_with(template, &[])
    }

    fn start_with(template: &str, more: &[&str]) -> Self {
        let mut up = local();
        up.args(["up", "--port", "0", "--template", template])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = up.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let endpoint = first.trim().rsplit(' ').next().unwrap().to_owned();
        assert!(endpoint.starts_with("http://127.0.0.1:"), "{first}");
        Self {
            child,
            endpoint,
            lines: Some(lines),
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// How it ended, and the rest of what it said.
    fn ended(&mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        self.lines.take().unwrap().read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap(), rest)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within 30 s");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [
        &[][..],
        &["fly"],
        &["up", "--port", "65536"],
        &["up", "--parameter", "NoValue"],
        &["up", "--endpoint-url", "127.0.0.1:4566"],
        &["up", "--endpoint-url", "aws"],
        &["up", "--account", "123456789012"],
        &["send", "orders"],
        &["invoke", "work"],
        &["env"],
    ] {
        assert_eq!(refused(arguments).0, 2, "{arguments:?}");
    }
}

#[test]
fn help_says_what_each_command_does_in_lines_that_fit() {
    for arguments in [
        &["--help"][..],
        &["demo", "--help"],
        &["up", "--help"],
        &["send", "--help"],
        &["invoke", "-h"],
        &["env", "--help"],
    ] {
        let done = local().args(arguments).output().unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        assert!(done.status.success() && text.contains("Usage: local"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }
}

#[test]
fn a_taken_port_is_named_before_anything_is_built() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let (code, error) = refused(&["up", "--port", &port]);
    assert_eq!(code, 1);
    assert!(
        error.starts_with(&format!("error: port {port} of 127.0.0.1 can't be used: ")),
        "{error}"
    );
    assert!(error.contains("--port") && error.lines().count() == 1, "{error}");
}

#[test]
fn a_wrong_template_is_named_with_line_and_property() {
    let directory = directory("templates");
    let unknown = template(None) + "      Nonsense: 1\n";
    for (name, text, told) in [
        ("broken.yaml", "a: [b\n", ":2:1: not valid YAML"),
        ("empty.yaml", "", "not valid YAML: the file is empty"),
        ("property.yaml", &unknown, ":7: Resources.Queue.Properties.Nonsense: "),
    ] {
        let path = file(&directory, name, text);
        let (code, error) = refused(&["up", "--port", "0", "--template", &path]);
        assert_eq!(code, 1, "{error}");
        assert!(error.starts_with(&format!("error: {path}:")), "{error}");
        assert!(error.contains(told) && error.lines().count() == 1, "{error}");
    }
    let (code, error) = refused(&["up", "--port", "0"]);
    assert_eq!(code, 1);
    assert!(
        error.starts_with("error: template.yaml: ") && error.contains("--template FILE"),
        "{error}"
    );
}

#[test]
fn an_unknown_parameter_is_told_with_those_there_are() {
    let directory = directory("parameters");
    let path = file(
        &directory,
        "template.yaml",
        &format!(
            "Parameters:\n  Stage:\n    Type: String\n    Default: a\n{}",
            template(None)
        ),
    );
    let (code, error) = refused(&["up", "--port", "0", "--template", &path, "--parameter", "Stge=b"]);
    assert_eq!(code, 1);
    assert!(
        error.contains("no parameter Stge") && error.contains("Stage"),
        "{error}"
    );
}

#[test]
fn a_binary_that_the_workspace_does_not_have_is_told_with_those_it_has() {
    let path = workspace("there", "fn main() {}");
    fs::write(&path, template(Some("elsewhere"))).unwrap();
    let (code, error) = refused(&["up", "--port", "0", "--template", &path]);
    assert_eq!(code, 1);
    assert!(
        error.contains("the binary elsewhere") && error.contains("there is there"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn a_function_that_does_not_build_shows_the_compilers_message() {
    let path = workspace("broken", "fn main() { 1 + \"one\" }");
    let (code, error) = refused(&["up", "--port", "0", "--template", &path]);
    assert_eq!(code, 1);
    assert!(error.contains("cannot add `&str` to"), "{error}");
    assert!(
        error.ends_with("error: the functions don't build: see cargo's messages above\n"),
        "{error}"
    );
}

#[test]
fn a_template_outside_of_any_workspace_is_told_so() {
    let directory = std::env::temp_dir().join(format!("local-cli-{}", std::process::id()));
    let path = file(&directory, "template.yaml", &template(Some("work")));
    let (code, error) = refused(&["up", "--port", "0", "--template", &path]);
    fs::remove_dir_all(&directory).unwrap();
    assert_eq!(code, 1);
    assert!(error.contains("is in no workspace that cargo can read"), "{error}");
}

#[test]
fn without_a_stack_the_way_to_one_is_told_in_one_line() {
    let directory = directory("nobody");
    let body = file(&directory, "body.json", "{}");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{closed}");
    for command in ["send", "invoke"] {
        let (code, error) = refused(&[command, "orders", &body, "--endpoint-url", &endpoint]);
        assert_eq!(code, 1);
        assert!(
            error.starts_with(&format!("error: no answer from {endpoint} (Connection refused")),
            "{error}"
        );
        assert!(
            error.contains("cargo run -p local -- up") && error.lines().count() == 1,
            "{error}"
        );
    }
}

#[test]
fn files_are_read_before_anything_is_sent() {
    let directory = directory("files");
    let empty = file(&directory, "empty.json", "");
    let no_event = file(&directory, "no-event.json", r#"{"Records": 3}"#);
    for (path, told) in [
        ("missing.json", "missing.json can't be read"),
        (&empty, "empty.json is empty"),
        (&no_event, "no-event.json has Records, but is no SQS event"),
    ] {
        let (code, error) = refused(&["send", "orders", path]);
        assert_eq!(code, 1);
        assert!(error.contains(told) && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn a_wrong_endpoint_in_the_environment_is_named() {
    let directory = directory("environment");
    let body = file(&directory, "body.json", "{}");
    let done = local()
        .args(["send", "orders", &body])
        .env("AWS_ENDPOINT_URL", "localhost")
        .output()
        .unwrap();
    let error = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1));
    assert!(
        error.starts_with("error: AWS_ENDPOINT_URL is no URL of a service: \"localhost\""),
        "{error}"
    );
}

#[test]
fn a_running_stack_takes_what_is_sent_and_names_what_is_not_there() {
    let directory = directory("sending");
    let path = file(&directory, "template.yaml", &template(None));
    let body = file(&directory, "body.json", "{}");
    let mut up = Up::start(&path);
    let endpoint = up.endpoint.clone();
    let sent = local()
        .args(["send", "orders", &body, "--endpoint-url", &endpoint])
        .output()
        .unwrap();
    assert!(sent.status.success(), "{sent:?}");
    let said = String::from_utf8(sent.stdout).unwrap();
    let (id, of) = said.trim_end().split_once(' ').unwrap();
    assert_eq!((id.len(), of), (36, body.as_str()));
    let (code, error) = refused(&["send", "nowhere", &body, "--endpoint-url", &endpoint]);
    assert_eq!(
        (code, error),
        (1, format!("error: there is no queue nowhere at {endpoint}\n"))
    );
    let (code, error) = refused(&["invoke", "nobody", &body, "--endpoint-url", &endpoint]);
    assert_eq!(code, 1);
    assert!(
        error.contains("Function not found") && error.contains("nobody"),
        "{error}"
    );
    up.signal(Signal::TERM);
    let (status, rest) = up.ended();
    assert!(status.success() && rest.ends_with("stopped\n"), "{status}: {rest}");
}

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
fn a_reader_who_leaves_does_not_stop_the_stack() {
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
fn ctrl_c_while_the_functions_are_built_ends_cargo_and_exits_with_130() {
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

#[test]
fn a_binary_that_was_built_before_is_run_as_it_is_or_named_if_it_is_not_there() {
    let directory = directory("binaries");
    let path = file(&directory, "template.yaml", &template(Some("work")));
    let binaries = directory.to_str().unwrap();
    let (code, error) = refused(&["up", "--port", "0", "--template", &path, "--binaries", binaries]);
    let bootstrap = directory.join("work/bootstrap");
    assert_eq!(code, 1);
    assert_eq!(
        error,
        format!(
            "error: there is no {}; `cargo lambda build` puts it into target/lambda\n",
            bootstrap.display()
        )
    );
    file(&directory, "work/bootstrap", "#!/bin/sh\necho ran >&2\nexit 1\n");
    fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755)).unwrap();
    let event = file(&directory, "event.json", "{}");
    let mut up = Up::start_with(&path, &["--binaries", binaries]);
    let invoked = local()
        .args(["invoke", "work", &event, "--endpoint-url", &up.endpoint])
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&invoked.stderr).contains("ran\n"),
        "{invoked:?}"
    );
    up.signal(Signal::TERM);
    assert!(up.ended().0.success());
}

#[test]
fn a_functions_environment_is_the_templates_with_what_a_process_of_its_own_needs() {
    let directory = directory("env");
    let variables = "      Environment: {Variables: {QUEUE: !Ref Queue, MOTTO: once is enough}}\n";
    let text = template(Some("work")) + variables;
    let path = file(&directory, "template.yaml", &text);
    file(&directory, "work/bootstrap", "");
    let mut up = Up::start_with(&path, &["--binaries", directory.to_str().unwrap()]);
    let env = |credentials: Option<&str>, function: &str| {
        let mut env = local();
        env.args(["env", function, "--endpoint-url", &up.endpoint]);
        env.env_remove("AWS_ACCESS_KEY_ID").env("AWS_REGION", "eu-west-1"); // not the stack's
        env.envs(credentials.map(|id| ("AWS_ACCESS_KEY_ID", id)));
        env.output().unwrap()
    };
    let (lines, endpoint) = (String::from_utf8(env(None, "work").stdout).unwrap(), &up.endpoint);
    assert_eq!(
        lines,
        format!(
            "AWS_ACCESS_KEY_ID=local\nAWS_ENDPOINT_URL_DYNAMODB={endpoint}\nAWS_ENDPOINT_URL_SQS={endpoint}\n\
             AWS_REGION=us-east-1\nAWS_SECRET_ACCESS_KEY=local\nMOTTO='once is enough'\n\
             QUEUE={endpoint}/000000000000/orders\n"
        )
    );
    let lines = String::from_utf8(env(Some("AKIA"), "work").stdout).unwrap();
    assert!(!lines.contains("ACCESS_KEY") && lines.contains("QUEUE="), "{lines}");
    let nobody = env(None, "nobody");
    let error = String::from_utf8(nobody.stderr).unwrap();
    assert_eq!((nobody.status.code(), nobody.stdout.as_slice()), (Some(1), &b""[..]));
    assert!(
        error.contains("nobody: Function not found") && error.contains("there is work"),
        "{error}"
    );
    up.signal(Signal::TERM);
    assert!(up.ended().0.success());
}

/// Waits for a process that writes its ID to a file, and gives back that ID.
fn started(file: &Path) -> Pid {
    let read = || Pid::from_raw(fs::read_to_string(file).ok()?.parse().ok()?);
    until("the start of the process", || read().is_some());
    read().unwrap()
}

fn is_gone(process: Pid) -> bool {
    rustix::process::test_kill_process(process).is_err()
}

#[test]
fn every_command_in_the_readme_is_one_that_is_understood_and_names_files_that_exist() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let readme = std::fs::read_to_string(format!("{root}/README.md")).unwrap();
    let lines = readme
        .lines()
        .filter_map(|line| line.trim().strip_prefix("cargo run -p local -- "));
    let commands: Vec<_> = lines
        .map(|line| line.split(['#', '>']).next().unwrap().split_whitespace())
        .collect();
    assert!(commands.len() >= 4, "{commands:?}");
    for command in commands {
        // What goes before --help is parsed, but not run.
        let done = local().args(command.clone()).arg("--help").output().unwrap();
        assert!(
            done.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        for file in command.filter(|word| word.starts_with("events/")) {
            assert!(std::path::Path::new(root).join(file).exists(), "{file}");
        }
    }
}
