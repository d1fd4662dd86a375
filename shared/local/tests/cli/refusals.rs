//! Errors before anything runs.

use std::fs;
use std::net::TcpListener;

use crate::harness::{directory, file, refused, template, workspace};

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
    for (name, text, expected) in [
        ("broken.yaml", "a: [b\n", ":2:1: not valid YAML"),
        ("empty.yaml", "", "not valid YAML: the file is empty"),
        ("property.yaml", &unknown, ":7: Resources.Queue.Properties.Nonsense: "),
    ] {
        let path = file(&directory, name, text);
        let (code, error) = refused(&["up", "--port", "0", "--template", &path]);
        assert_eq!(code, 1, "{error}");
        assert!(error.starts_with(&format!("error: {path}:")), "{error}");
        assert!(error.contains(expected) && error.lines().count() == 1, "{error}");
    }
    let (code, error) = refused(&["up", "--port", "0"]);
    assert_eq!(code, 1);
    assert!(
        error.starts_with("error: template.yaml: ") && error.contains("--template FILE"),
        "{error}"
    );
}

#[test]
fn an_unknown_parameter_is_named_with_the_known_ones() {
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
fn an_unknown_binary_is_named_with_the_known_ones() {
    let path = workspace("there", "fn main() {}");
    fs::write(&path, template(Some("absent"))).unwrap();
    let (code, error) = refused(&["up", "--port", "0", "--template", &path]);
    assert_eq!(code, 1);
    assert!(
        error.contains("the binary absent") && error.contains("there is there"),
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
fn files_are_read_before_anything_is_sent() {
    let directory = directory("files");
    let empty = file(&directory, "empty.json", "");
    let no_event = file(&directory, "no-event.json", r#"{"Records": []}"#);
    for (path, expected) in [
        ("missing.json", "missing.json can't be read"),
        (&empty, "empty.json is empty"),
        (&no_event, "no-event.json is an SQS event, but it has no Records"),
    ] {
        let (code, error) = refused(&["send", "orders", path]);
        assert_eq!(code, 1);
        assert!(error.contains(expected) && error.lines().count() == 1, "{error}");
    }
}
