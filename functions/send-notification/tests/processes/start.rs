//! Errors at the start of the function.

use testing::ENVIRONMENT;

use crate::stack::SEND_NOTIFICATION;

/// The message of the one line that the function logs before it exits.
#[track_caller]
fn last_words(url: Option<&str>) -> String {
    let settings = url.map(|url| ("NOTIFICATION_URL", url));
    let settings = settings.into_iter().chain([("AWS_REGION", "eu-west-1")]);
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
    for (url, problem) in [
        ("ftp://example.com/", "it must begin with https:// or http://"),
        ("example.com", "it must begin with https:// or http://"),
        ("/notify", "it must begin with https:// or http://"),
        ("http://", "it has no host"),
        ("http:///notify", "it has no host"),
        (
            "http://127.0.0.1:84433/notify",
            "its port is not a number from 1 to 65535",
        ),
        ("https://@example.com/", "the user info before its @ is empty"),
        (
            "https://example.com/a b",
            "it contains white space or control characters",
        ),
    ] {
        assert_eq!(
            last_words(Some(url)),
            format!("{variable} is not a URL: {problem}"),
            "{url}"
        );
    }
    assert_eq!(
        last_words(Some("https://example.com/\n")),
        format!("{variable} ends with a line break: remove it")
    );
}

/// Nothing may commit an order with such a destination.
#[test]
fn invalid_queue_or_table_ends_the_start_with_one_line() {
    let arn = "arn:aws:sqs:eu-central-1:111122223333:dead-letters";
    let arn_problem = format!("is not a queue URL but an ARN, {arn:?}: use !Ref of the queue instead of !GetAtt Arn");
    let break_problem = "ends with a line break: remove it".to_owned();
    let endpoint_problem = "is not a URL: it must begin with https:// or http://".to_owned();
    for (variable, value, problem) in [
        ("DEAD_LETTER_QUEUE_URL", arn, arn_problem),
        ("DEAD_LETTER_QUEUE_URL", "https://example.com/1/q\n", break_problem),
        ("AWS_ENDPOINT_URL_SQS", "localhost:4566", endpoint_problem),
        (
            "IDEMPOTENCY_TABLE",
            "my ledger",
            "is not a table's name: up to 255 of the characters a-z, A-Z, 0-9, '_', '-' and '.'".to_owned(),
        ),
        (
            "RETRY_DELAY_LONGEST_SECONDS",
            "43201",
            "is more than 43200 seconds".to_owned(),
        ),
        (
            "MAX_RECEIVE_COUNT",
            "0",
            "is not a whole number from 1 to 1000, but \"0\": set it to the maxReceiveCount of the queue's redrive policy"
                .to_owned(),
        ),
    ] {
        let settings = [("NOTIFICATION_URL", "https://example.com/notify"), (variable, value)];
        let line = testing::last_words(SEND_NOTIFICATION.1, ENVIRONMENT.into_iter().chain(settings));
        assert_eq!(line["message"], format!("environment variable {variable} {problem}"));
    }
}

#[test]
fn valid_receiver_url_is_accepted() {
    for url in [
        "https://example.com/notify",
        "https://ada:o'hara@example.com:8443/o'hara?to='ada'",
    ] {
        let line = last_words(Some(url));
        assert_eq!(line, "environment variable IDEMPOTENCY_TABLE is not set");
    }
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
        for wrong in ["soon", "-1", "1.5", "10s", "1 0", "99999999999999999999"] {
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
