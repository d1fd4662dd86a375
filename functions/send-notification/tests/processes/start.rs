//! Errors at the start of the function.

use testing::ENVIRONMENT;

use crate::stack::SEND_NOTIFICATION;

/// The message of the one line that the function logs before it exits.
#[track_caller]
fn last_words(url: Option<&str>) -> String {
    let settings = url.map(|url| ("NOTIFICATION_URL", url));
    testing::last_words(SEND_NOTIFICATION.1, settings)["message"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn invalid_receiver_url_ends_the_start_with_one_line() {
    let variable = "environment variable NOTIFICATION_URL";
    assert_eq!(last_words(None), format!("{variable} is not set"));
    assert_eq!(last_words(Some("")), format!("{variable} is empty"));
    for url in ["ftp://example.com/", "example.com", "/notify"] {
        let message = last_words(Some(url));
        assert_eq!(message, format!("{variable} is not an http or https URL"), "{url}");
    }
    for url in ["no url", "http://", "http:///notify"] {
        let message = last_words(Some(url));
        assert!(
            message.starts_with(&format!("{variable} is not a URL: ")),
            "{url}: {message}"
        );
    }
}

#[test]
fn valid_receiver_url_is_accepted() {
    assert_eq!(
        last_words(Some("https://example.com/notify")),
        "environment variable IDEMPOTENCY_TABLE is not set"
    );
}

#[test]
fn invalid_seconds_end_the_start_with_one_line() {
    let last_line = |variable, wrong| {
        let settings = [("NOTIFICATION_URL", "https://example.com/notify"), (variable, wrong)];
        testing::last_words(SEND_NOTIFICATION.1, ENVIRONMENT.into_iter().chain(settings))
    };
    for variable in [
        "RETRY_DELAY_SECONDS",
        "RETRY_DELAY_LONGEST_SECONDS",
        "REQUEST_TIMEOUT_SECONDS",
    ] {
        for wrong in ["soon", "-1", "1.5", "10s", " 10", "99999999999999999999"] {
            let line = last_line(variable, wrong);
            let problem = format!("environment variable {variable} is not a whole number of seconds");
            assert_eq!(line["message"], problem, "{wrong}");
            assert_eq!(line["level"], "ERROR");
        }
    }
    assert_eq!(
        last_line("REQUEST_TIMEOUT_SECONDS", "0")["message"],
        "environment variable REQUEST_TIMEOUT_SECONDS is not between 1 and 900 seconds"
    );
}
