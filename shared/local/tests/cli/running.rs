//! A running stack.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::harness::{Up, directory, file, local, refused, template, triggered, workspace};

#[test]
fn a_running_stack_takes_messages_and_names_what_is_missing() {
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
    let output = String::from_utf8(sent.stdout).unwrap();
    let (id, of) = output.trim_end().split_once(' ').unwrap();
    assert_eq!((id.len(), of), (36, body.as_str()));
    for (queue, meant) in [("nowhere", ""), ("order", "; did you mean orders?")] {
        let (code, error) = refused(&["send", queue, &body, "--endpoint-url", &endpoint]);
        let expected = format!("error: there is no queue {queue} at {endpoint}: there is orders{meant}\n");
        assert_eq!((code, error), (1, expected));
    }
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

/// Cargo's target directory, as cargo says.
fn cargo_target() -> PathBuf {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1"])
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    metadata["target_directory"].as_str().unwrap().into()
}

/// The variables that move cargo's target directory.
fn without_target_directory(command: &mut Command) -> &mut Command {
    let variables = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"];
    variables
        .into_iter()
        .fold(command, |command, variable| command.env_remove(variable))
}

/// Neither builds anything: both are found where cargo would put them.
#[test]
fn prebuilt_binaries_are_in_cargos_target_directory() {
    let path = workspace("target-directory", "fn main() {}");
    let directory = Path::new(&path).parent().unwrap();
    file(
        directory,
        ".cargo/config.toml",
        "[build]\ntarget-dir = \"configured\"\n",
    );
    let up = |variable: Option<&Path>| {
        let mut up = local();
        without_target_directory(&mut up).args(["up", "--port", "0", "--template", &path, "--binaries"]);
        if let Some(directory) = variable {
            up.env("CARGO_TARGET_DIR", directory);
        }
        up
    };
    let relative = Path::new("cli/target-directory/elsewhere");
    for (variable, target) in [
        (None, directory.join("configured")),
        (Some(directory.join("elsewhere")), directory.join("elsewhere")),
        (Some(relative.to_owned()), directory.join("elsewhere")),
    ] {
        let bootstrap = target.join("lambda/target-directory/bootstrap");
        let done = up(variable.as_deref()).output().unwrap();
        let error = String::from_utf8(done.stderr).unwrap();
        assert!(
            error.starts_with(&format!("error: there is no {};", bootstrap.display())),
            "{error}"
        );
    }
    file(directory, "configured/lambda/target-directory/bootstrap", "#!/bin/sh\n");
    let mut command = local();
    without_target_directory(&mut command);
    let mut up = Up::start_by(command, &path, &["--binaries"]);
    assert!(up.introduction().contains("queue orders"), "it runs");
}

#[test]
fn a_request_as_long_as_an_invocation_is_warned_of() {
    let directory = directory("slow-requests");
    let template = template(Some("work")) + "      Environment: {Variables: {REQUEST_TIMEOUT_SECONDS: VALUE}}\n";
    file(&directory, "work/bootstrap", "#!/bin/sh\n");
    let binaries = ["--binaries", directory.to_str().unwrap()];
    for (timeout, warned) in [("4", false), ("5", true), ("10", true)] {
        let path = file(&directory, "template.yaml", &template.replace("VALUE", timeout));
        let introduction = Up::start_with(&path, &binaries).introduction();
        let warning = format!("warning: REQUEST_TIMEOUT_SECONDS of work is {timeout}, and its Timeout is 5 seconds");
        assert_eq!(introduction.contains(&warning), warned, "{introduction}");
    }
}

#[test]
fn prebuilt_binaries_are_run_or_named_if_missing() {
    let directory = directory("binaries");
    let path = file(&directory, "template.yaml", &template(Some("work")));
    let binaries = directory.to_str().unwrap();
    let (code, error) = refused(&["up", "--port", "0", "--template", &path, "--binaries", binaries]);
    let bootstrap = directory.join("work/bootstrap");
    assert_eq!(code, 1);
    assert_eq!(
        error,
        format!(
            "error: there is no {}; `cargo lambda build` puts it into {}\n",
            bootstrap.display(),
            cargo_target().join("lambda").display()
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
fn functions_get_the_authorities_of_the_workstation() {
    let directory = directory("authorities");
    let text = template(Some("work")) + "      Environment: {Variables: {SSL_CERT_FILE: /opt/own.pem}}\n";
    let path = file(&directory, "template.yaml", &text);
    file(&directory, "work/bootstrap", "");
    let mut up = local();
    up.env("AWS_CA_BUNDLE", "/etc/company.pem")
        .env("SSL_CERT_FILE", "/etc/other.pem");
    let up = Up::start_by(up, &path, &["--binaries", directory.to_str().unwrap()]);
    let mut env = local();
    let env = env
        .args(["env", "work", "--endpoint-url", &up.endpoint])
        .output()
        .unwrap();
    let printed = String::from_utf8(env.stdout).unwrap();
    let printed: Vec<_> = printed.lines().filter(|line| line.ends_with(".pem")).collect();
    assert_eq!(
        printed,
        ["AWS_CA_BUNDLE=/etc/company.pem", "SSL_CERT_FILE=/opt/own.pem"]
    );
}

#[test]
fn functions_get_the_secrets_file_with_its_absolute_path() {
    let directory = directory("secrets-file");
    let path = file(&directory, "template.yaml", &template(Some("work")));
    file(&directory, "work/bootstrap", "");
    let mut up = local();
    up.env("SECRETS_FILE", "own-secrets.json");
    let up = Up::start_by(up, &path, &["--binaries", directory.to_str().unwrap()]);
    let mut env = local();
    let env = env.args(["env", "work", "--endpoint-url", &up.endpoint]).output();
    let printed = String::from_utf8(env.unwrap().stdout).unwrap();
    let printed = printed.lines().find(|line| line.contains("own-secrets.json"));
    let expected = concat!("SECRETS_FILE=", env!("CARGO_TARGET_TMPDIR"), "/own-secrets.json");
    assert_eq!(printed, Some(expected));
}

#[test]
fn env_prints_the_variables_a_process_needs() {
    let directory = directory("env");
    let variables = "      Environment: {Variables: {QUEUE: !Ref Queue, MOTTO: once is enough}}\n";
    let text = template(Some("work")) + variables;
    let path = file(&directory, "template.yaml", &text);
    file(&directory, "work/bootstrap", "");
    let mut up = Up::start_with(&path, &["--binaries", directory.to_str().unwrap()]);
    let env = |credentials: Option<&str>, function: &str, up: &Up| {
        let mut env = local();
        env.args(["env", function, "--endpoint-url", &up.endpoint]);
        env.env_remove("AWS_ACCESS_KEY_ID").env("AWS_REGION", "eu-west-1"); // not the stack's
        env.envs(credentials.map(|id| ("AWS_ACCESS_KEY_ID", id)));
        env.output().unwrap()
    };
    let endpoint = &up.endpoint;
    let rest = format!(
        "AWS_ENDPOINT_URL_DYNAMODB={endpoint}\nAWS_ENDPOINT_URL_SQS={endpoint}\nAWS_REGION=us-east-1\n\
         {{secret}}MOTTO='once is enough'\nQUEUE={endpoint}/000000000000/orders\n"
    );
    let own = format!(
        "AWS_ACCESS_KEY_ID=local\n{}",
        rest.replace("{secret}", "AWS_SECRET_ACCESS_KEY=local\n")
    );
    let lines = |credentials, up: &Up| String::from_utf8(env(credentials, "work", up).stdout).unwrap();
    // The process may be started in another shell than this one.
    for credentials in [None, Some("AKIA")] {
        assert_eq!(lines(credentials, &up), own);
    }
    let overridden = ["--binaries", directory.to_str().unwrap(), "--endpoint-url", endpoint];
    let mut before = Up::start_with(&path, &overridden);
    assert_eq!(lines(None, &before), own);
    assert_eq!(lines(Some("AKIA"), &before), rest.replace("{secret}", ""));
    before.signal(Signal::TERM);
    assert!(before.ended().0.success());
    let nobody = env(None, "nobody", &up);
    let error = String::from_utf8(nobody.stderr).unwrap();
    assert_eq!((nobody.status.code(), nobody.stdout.as_slice()), (Some(1), &b""[..]));
    assert!(
        error.contains("nobody: Function not found") && error.contains("there is work"),
        "{error}"
    );
    up.signal(Signal::TERM);
    assert!(up.ended().0.success());
}

#[test]
fn an_existing_sample_of_the_binary_is_suggested() {
    let directory = directory("samples");
    let path = triggered(&directory, "worker", "exit 1");
    let binaries = ["--binaries", directory.to_str().unwrap()];
    let without = Up::start_with(&path, &binaries).introduction();
    assert!(!without.contains("To send a message"), "{without}");
    let sample = file(&directory, "events/worker/valid.json", "{}");
    let with = Up::start_with(&path, &binaries).introduction();
    let line = format!("  cargo run -p local -- send orders {sample}");
    assert!(
        with.lines().any(|printed| printed == line),
        "{line} is missing:\n{with}"
    );
}

#[test]
fn receiver_shows_what_arrived_and_takes_its_next_answers() {
    let directory = directory("receiver");
    let template = format!("Parameters:\n  GatewayUrl: {{Type: String}}\n{}", template(None));
    let path = file(&directory, "template.yaml", &template);
    let mut up = Up::start(&path);
    assert!(up.introduction().contains("  receiver GatewayUrl\n"));
    let endpoint = up.endpoint.clone();
    let receiver = |arguments: &[&str]| {
        let mut command = local();
        command
            .args(["receiver", "GatewayUrl", "--endpoint-url", &endpoint])
            .args(arguments);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    assert_eq!(receiver(&[]), "no requests so far\n");
    assert_eq!(
        receiver(&["--status", "402", "--times", "3", "--delay", "0"]),
        "set GatewayUrl: answers to the next requests: 3\n"
    );
    let status = post(&endpoint, "/receivers/GatewayUrl/charges", r#"{"amount":7}"#);
    assert_eq!(status, "HTTP/1.1 402 Payment Required");
    assert_eq!(
        receiver(&[]),
        "POST /charges -> 402 idempotency-key: k-1 {\"amount\":7}\n"
    );
    let (code, error) = refused(&["receiver", "GatwayUrl", "--endpoint-url", &endpoint]);
    assert_eq!(
        (code, error.as_str()),
        (1, "error: there is no receiver GatwayUrl: there is GatewayUrl\n")
    );
    up.signal(Signal::TERM);
    assert!(up.ended().0.success());
}

/// Posts JSON, and returns the status line.
fn post(endpoint: &str, path: &str, body: &str) -> String {
    let address = endpoint.trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).unwrap();
    write!(
        connection,
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nidempotency-key: k-1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap().to_owned()
}
