//! Endpoints, credentials, and errors about both.

use std::path::Path;

use serde_json::json;

use crate::harness::{DEAD, Done, Harness, ORDERS, done, operator};

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_url_option_takes_precedence_over_the_environment() {
    let (chosen, other) = (Harness::start().await, Harness::start().await);
    chosen.record("k-1", "REJECTED", json!({}));
    let expected_id = chosen.dead("k-1", "meant").await;
    other.record("k-1", "COMPLETED", json!({}));
    let other_id = other.dead("k-1", "other").await;
    for variables in [
        &["AWS_ENDPOINT_URL"][..],
        &["AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_DYNAMODB"],
    ] {
        for (arguments, expected) in [
            (&["inspect", "place-order#k-1"][..], "REJECTED"),
            (&["dlq", "list", DEAD], "meant"),
            (&["dlq", "redrive", DEAD, "--dry-run"], expected_id.as_str()),
        ] {
            let mut operator = operator(arguments);
            operator.args(["--endpoint-url", chosen.stack.endpoint()]);
            operator.envs(variables.iter().map(|variable| (variable, other.stack.endpoint())));
            let done = done(operator.spawn().unwrap()).await;
            assert!(
                done.code == Some(0) && done.out.contains(expected),
                "{variables:?}: {done:?}"
            );
        }
    }
    let mut redrive = operator(&[
        "dlq",
        "redrive",
        DEAD,
        "--yes",
        "--endpoint-url",
        chosen.stack.endpoint(),
    ]);
    redrive.env("AWS_ENDPOINT_URL", other.stack.endpoint());
    let done = done(redrive.spawn().unwrap()).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(chosen.ids(DEAD).is_empty() && chosen.ids(ORDERS).len() == 1 && chosen.statuses().is_empty());
    assert_eq!(
        (other.stack.sqs().deliveries(&other_id), other.ids(DEAD)),
        (0, vec![other_id])
    );
    assert!(other.ids(ORDERS).is_empty() && other.statuses().len() == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_endpoint_aws_is_used_and_a_region_is_required() {
    let done = done(operator(&["inspect", "n#k"]).spawn().unwrap()).await;
    assert_eq!(done.code, Some(1));
    assert!(done.err.starts_with("error: no region: set AWS_REGION"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn region_and_credentials_of_a_profile_are_found() {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("profile");
    std::fs::create_dir_all(&home).unwrap();
    let config = home.join("config");
    // Only the profile names the endpoint: a request that arrives there was configured by the usual chain.
    let harness = Harness::start().await;
    let text = format!(
        "[profile workstation]\nregion = us-east-1\nendpoint_url = {}\ncredential_process = {}\n",
        harness.stack.endpoint(),
        r#"echo '{"Version":1,"AccessKeyId":"a","SecretAccessKey":"s"}'"#
    );
    std::fs::write(&config, text).unwrap();
    let mut operator = operator(&["inspect", "n#k"]);
    operator
        .env("AWS_CONFIG_FILE", &config)
        .env("AWS_PROFILE", "workstation");
    let done = done(operator.spawn().unwrap()).await;
    assert!(
        done.err
            .starts_with("error: there is no record n#k in table idempotency"),
        "{done:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn error_names_the_variable_with_an_invalid_endpoint() {
    let mut wrong = operator(&["inspect", "n#k"]);
    wrong.env("AWS_ENDPOINT_URL", "localhost");
    let wrong = done(wrong.spawn().unwrap()).await;
    assert!(
        wrong
            .err
            .starts_with("error: AWS_ENDPOINT_URL is no URL of a service: \"localhost\""),
        "{wrong:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_connection_names_the_address_in_one_line() {
    let unused = "http://127.0.0.1:1";
    for arguments in [
        &["dlq", "list", DEAD][..],
        &["dlq", "redrive", "http://127.0.0.1:1/000000000000/orders-dlq"],
        &["inspect", "n#k"],
    ] {
        let mut command = operator(&[arguments, &["--endpoint-url", unused]].concat());
        let expected = format!("error: no answer from {unused}: Connection refused");
        is_one_line(&done(command.spawn().unwrap()).await, &expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_one_line_states_how_to_sign_in() {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("signed-out");
    std::fs::create_dir_all(&home).unwrap();
    let config = home.join("config");
    std::fs::write(
        &config,
        "[profile workstation]\nregion = eu-west-1\ncredential_process = false\n",
    )
    .unwrap();
    for arguments in [&["dlq", "list", DEAD][..], &["inspect", "n#k"]] {
        let mut no_profile = operator(arguments);
        no_profile.env("AWS_REGION", "eu-west-1");
        let expected = "error: no credentials: sign in with `aws sso login`, or set AWS_PROFILE\n";
        is_one_line(&done(no_profile.spawn().unwrap()).await, expected);

        let mut signed_out = operator(arguments);
        signed_out
            .env("AWS_CONFIG_FILE", &config)
            .env("AWS_PROFILE", "workstation");
        let expected = "error: no credentials of profile workstation: sign in with `aws sso login --profile workstation`, \
                        or set AWS_PROFILE to another (";
        is_one_line(&done(signed_out.spawn().unwrap()).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contradictory_settings_are_no_credentials_error() {
    let mut contradictory = operator(&["inspect", "n#k", "--endpoint-url", "http://127.0.0.1:1"]);
    contradictory.env("AWS_USE_FIPS_ENDPOINT", "true");
    let expected = "error: table idempotency: Invalid Configuration: FIPS and custom endpoint are not supported";
    is_one_line(&done(contradictory.spawn().unwrap()).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_file_of_authorities_is_named_in_one_line() {
    for arguments in [&["dlq", "list", DEAD][..], &["inspect", "n#k"]] {
        for endpoint in [&[][..], &["--endpoint-url", "https://127.0.0.1:1"]] {
            let mut command = operator(&[arguments, endpoint].concat());
            command
                .env("AWS_REGION", "eu-west-1")
                .env("AWS_CA_BUNDLE", "/nowhere/ca.pem");
            let expected = "error: environment variable AWS_CA_BUNDLE names \"/nowhere/ca.pem\", which can't be read: ";
            is_one_line(&done(command.spawn().unwrap()).await, expected);
        }
    }
}

fn is_one_line(done: &Done, expected: &str) {
    assert!(
        done.code == Some(1) && done.err.starts_with(expected) && done.err.lines().count() == 1,
        "{done:?}"
    );
}
