//! Settings that can't work end the start with one line.

use crate::process::PROGRAM;

/// The message of the one line that is logged before the process exits.
#[track_caller]
fn last_words(settings: &[(&'static str, &'static str)]) -> String {
    let common = [
        ("IDEMPOTENCY_TABLE", "idempotency"),
        ("AWS_REGION", "eu-west-1"),
        ("NOTIFICATION_URL", "https://example.com/"),
    ];
    let line = testing::last_words(PROGRAM, common.into_iter().chain(settings.iter().copied()));
    line["message"].as_str().unwrap().to_owned()
}

#[test]
fn settings_that_can_not_work_are_named() {
    for (settings, problem) in [
        (&[][..], "environment variable PUSH_PLATFORM is not set"),
        (
            &[("PUSH_PLATFORM", "lambda")],
            "environment variable PUSH_PLATFORM is not pubsub, cloud-tasks or azure-functions",
        ),
        (
            &[("PUSH_PLATFORM", "pubsub")],
            "environment variable OIDC_AUDIENCE is not set: state who may call",
        ),
        (
            &[("PUSH_PLATFORM", "pubsub"), ("OIDC_AUDIENCE", "https://example.com/")],
            "environment variable OIDC_SERVICE_ACCOUNT is not set: any account of Google could call",
        ),
        (
            &[
                ("PUSH_PLATFORM", "cloud-tasks"),
                ("AUTHENTICATED_BY_PLATFORM", "true"),
                ("OIDC_AUDIENCE", "https://example.com/"),
            ],
            "environment variable AUTHENTICATED_BY_PLATFORM is true, and OIDC_AUDIENCE or OIDC_SERVICE_ACCOUNT is set",
        ),
        (
            &[("PUSH_PLATFORM", "azure-functions")],
            "environment variable FUNCTIONS_CUSTOMHANDLER_PORT is not set: the Functions host sets it",
        ),
        (
            &[("PUSH_PLATFORM", "azure-functions"), ("LISTEN_ADDRESS", "0.0.0.0:8080")],
            "environment variable LISTEN_ADDRESS is 0.0.0.0:8080, which other machines reach",
        ),
        (
            &[
                ("PUSH_PLATFORM", "pubsub"),
                ("AUTHENTICATED_BY_PLATFORM", "true"),
                ("DEADLINE_SECONDS", "0"),
            ],
            "environment variable DEADLINE_SECONDS is not a whole number from 10",
        ),
        (
            &[("PUSH_PLATFORM", "cloud-tasks"), ("AUTHENTICATED_BY_PLATFORM", "true")],
            "environment variable QUEUE_URL is not set",
        ),
        (
            &[
                ("PUSH_PLATFORM", "pubsub"),
                ("AUTHENTICATED_BY_PLATFORM", "true"),
                (
                    "DEAD_LETTER_QUEUE_URL",
                    "https://cloudtasks.googleapis.com/v2/projects/p/locations/l/queues/q",
                ),
            ],
            "environment variable DEAD_LETTER_QUEUE_URL can't be used: target: expected the http or https URL",
        ),
        (
            &[
                ("PUSH_PLATFORM", "azure-functions"),
                ("FUNCTIONS_CUSTOMHANDLER_PORT", "8080"),
                ("QUEUE_URL", "http://127.0.0.1:10001/devstoreaccount1/orders"),
            ],
            "environment variable QUEUE_URL can't be used: an emulator has no managed identity",
        ),
    ] {
        let why = last_words(settings);
        assert!(why.starts_with(problem), "{settings:?}: {why}");
    }
}

#[tokio::test]
async fn help_lists_the_settings() {
    let output = tokio::process::Command::new(PROGRAM)
        .arg("--help")
        .env_clear()
        .output()
        .await
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for setting in [
        "PUSH_PLATFORM",
        "FUNCTIONS_CUSTOMHANDLER_PORT",
        "PORT",
        "OIDC_AUDIENCE",
        "AZURE_STORAGE_CONNECTION_STRING",
        "AZURE_CLIENT_ID",
        "--health",
    ] {
        assert!(help.contains(setting), "{setting} in\n{help}");
    }
}
