//! Which stack a command talks to.

use std::net::TcpListener;

use crate::desk::{directory, file, local, refused};

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
