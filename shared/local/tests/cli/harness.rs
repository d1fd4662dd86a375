//! The program, and what lies before it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

pub(crate) fn local() -> Command {
    let mut local = Command::new(env!("CARGO_BIN_EXE_local"));
    local.current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null());
    for variable in [
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_SQS",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ENDPOINT_URL_LAMBDA",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_CA_BUNDLE",
        "SECRETS_FILE",
        "SSL_CERT_FILE",
    ] {
        local.env_remove(variable);
    }
    local
}

/// Exit code and standard error of a command that prints nothing to standard output.
pub(crate) fn refused(arguments: &[&str]) -> (i32, String) {
    let done = local().args(arguments).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stdout), "");
    (done.status.code().unwrap(), String::from_utf8(done.stderr).unwrap())
}

/// A directory of this test's own, empty.
pub(crate) fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

pub(crate) fn file(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A template of one queue and, if `function` is some binary's name, a function that it triggers.
pub(crate) fn template(function: Option<&str>) -> String {
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

/// The same with a table and a function that the queue triggers, whose binary is in a directory: this shell script.
pub(crate) fn triggered(directory: &Path, binary: &str, script: &str) -> String {
    let template = template(Some(binary))
        + "      Events: {Q: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn, FunctionResponseTypes: \
           [ReportBatchItemFailures]}}}\n  Table:\n    Type: AWS::DynamoDB::Table\n    Properties:\n      TableName: \
           records\n      BillingMode: PAY_PER_REQUEST\n      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]\n      \
           KeySchema: [{AttributeName: id, KeyType: HASH}]\n";
    let bootstrap = file(
        directory,
        &format!("{binary}/bootstrap"),
        &format!("#!/bin/sh\n{script}\n"),
    );
    fs::set_permissions(bootstrap, fs::Permissions::from_mode(0o755)).unwrap();
    file(directory, "template.yaml", &template)
}

/// A cargo workspace without dependencies, of one package whose `main.rs` this is, beside a template that names its binary.
pub(crate) fn workspace(name: &str, main: &str) -> String {
    let directory = directory(name);
    let manifest = format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n[workspace]\n");
    file(&directory, "Cargo.toml", &manifest);
    file(&directory, "src/main.rs", main);
    file(&directory, "template.yaml", &template(Some(name)))
}

/// `local up`, killed with the test if it is still there.
pub(crate) struct Up {
    pub(crate) child: Child,
    pub(crate) endpoint: String,
    pub(crate) lines: Option<BufReader<ChildStdout>>,
}

impl Up {
    pub(crate) fn start(template: &str) -> Self {
        Self::start_with(template, &[])
    }

    pub(crate) fn start_with(template: &str, more: &[&str]) -> Self {
        Self::start_by(local(), template, more)
    }

    /// By a command that may have an environment of its own.
    pub(crate) fn start_by(mut up: Command, template: &str, more: &[&str]) -> Self {
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

    /// What it prints before it waits.
    pub(crate) fn introduction(&mut self) -> String {
        let lines = self.lines.as_mut().unwrap().lines().map(Result::unwrap);
        let lines: Vec<_> = lines.take_while(|line| !line.contains("Ctrl-C stops")).collect();
        lines.join("\n")
    }

    /// The next line that contains this text.
    pub(crate) fn line(&mut self, text: &str) -> String {
        let lines = self.lines.as_mut().unwrap().lines().map(Result::unwrap);
        let mut seen = Vec::new();
        for line in lines {
            if line.contains(text) {
                return line;
            }
            seen.push(line);
        }
        panic!("no line has {text:?}: {seen:#?}");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// How it ended, and the rest of its output.
    pub(crate) fn ended(&mut self) -> (ExitStatus, String) {
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

/// Much longer than anything takes on a busy machine: a wait that lasts so long has failed.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(10));
    }
}
