//! What the function says when it can't start.

use std::process::Command;

use serde_json::Value;

use crate::stage::BINARY;

/// The message of the one line that the function writes before it gives up.
#[track_caller]
fn last_words(url: Option<&str>) -> String {
    let settings = url.map(|url| ("NOTIFICATION_URL", url));
    let mut function = Command::new(BINARY);
    let output = function.env_clear().envs(settings).output().unwrap();
    assert!(!output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), 1, "{lines}");
    let line: Value = serde_json::from_str(&lines).unwrap();
    line["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_receiver_that_is_no_url_is_one_line_that_names_the_setting() {
    let variable = "environment variable NOTIFICATION_URL";
    assert_eq!(last_words(None), format!("{variable} is not set"));
    assert_eq!(last_words(Some("")), format!("{variable} is empty"));
    for url in ["ftp://example.com/", "example.com", "/notify"] {
        let said = last_words(Some(url));
        assert_eq!(said, format!("{variable} is not an http or https URL"), "{url}");
    }
    for url in ["no url", "http://", "http:///notify"] {
        let said = last_words(Some(url));
        assert!(said.starts_with(&format!("{variable} is not a URL: ")), "{url}: {said}");
    }
}

#[test]
fn a_good_receiver_is_not_what_it_complains_of() {
    assert_eq!(
        last_words(Some("https://example.com/notify")),
        "environment variable IDEMPOTENCY_TABLE is not set"
    );
}
