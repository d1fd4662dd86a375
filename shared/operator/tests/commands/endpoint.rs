//! Where the services are, and why there is no answer.

use std::path::Path;

use serde_json::json;

use crate::stage::{DEAD, Done, ORDERS, Stage, done, operator};

#[tokio::test(flavor = "multi_thread")]
async fn the_flag_outweighs_whatever_the_environment_says() {
    let (meant, other) = (Stage::start().await, Stage::start().await);
    meant.record("k-1", "REJECTED", json!({}));
    let here = meant.dead("k-1", "meant").await;
    other.record("k-1", "COMPLETED", json!({}));
    let there = other.dead("k-1", "other").await;
    for variables in [
        &["AWS_ENDPOINT_URL"][..],
        &["AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_DYNAMODB"],
    ] {
        for (arguments, told) in [
            (&["inspect", "place-order#k-1"][..], "REJECTED"),
            (&["dlq", "list", DEAD], "meant"),
            (&["dlq", "redrive", DEAD, "--dry-run"], here.as_str()),
        ] {
            let mut operator = operator(arguments);
            operator.args(["--endpoint-url", meant.stack.endpoint()]);
            operator.envs(variables.iter().map(|variable| (variable, other.stack.endpoint())));
            let done = done(operator.spawn().unwrap()).await;
            assert!(
                done.code == Some(0) && done.out.contains(told),
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
        meant.stack.endpoint(),
    ]);
    redrive.env("AWS_ENDPOINT_URL", other.stack.endpoint());
    let done = done(redrive.spawn().unwrap()).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(meant.ids(DEAD).is_empty() && meant.ids(ORDERS).len() == 1 && meant.statuses().is_empty());
    assert_eq!(
        (other.stack.sqs().deliveries(&there), other.ids(DEAD)),
        (0, vec![there])
    );
    assert!(other.ids(ORDERS).is_empty() && other.statuses().len() == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_endpoint_it_is_aws_and_asks_for_a_region() {
    let done = done(operator(&["inspect", "n#k"]).spawn().unwrap()).await;
    assert_eq!(done.code, Some(1));
    assert!(done.err.starts_with("error: no region: set AWS_REGION"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn region_and_credentials_of_a_profile_are_found() {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("profile");
    std::fs::create_dir_all(&home).unwrap();
    let config = home.join("config");
    // An endpoint that only a profile names, so that what arrives there came by the usual chain.
    let stage = Stage::start().await;
    let text = format!(
        "[profile desk]\nregion = us-east-1\nendpoint_url = {}\ncredential_process = {}\n",
        stage.stack.endpoint(),
        r#"echo '{"Version":1,"AccessKeyId":"a","SecretAccessKey":"s"}'"#
    );
    std::fs::write(&config, text).unwrap();
    let mut operator = operator(&["inspect", "n#k"]);
    operator.env("AWS_CONFIG_FILE", &config).env("AWS_PROFILE", "desk");
    let done = done(operator.spawn().unwrap()).await;
    assert!(
        done.err
            .starts_with("error: there is no record n#k in table idempotency"),
        "{done:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_endpoint_is_told_in_one_line() {
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
async fn where_nothing_listens_the_address_is_named_in_one_line() {
    let nowhere = "http://127.0.0.1:1";
    for arguments in [
        &["dlq", "list", DEAD][..],
        &["dlq", "redrive", "http://127.0.0.1:1/000000000000/orders-dlq"],
        &["inspect", "n#k"],
    ] {
        let mut asked = operator(&[arguments, &["--endpoint-url", nowhere]].concat());
        let told = format!("error: no answer from {nowhere}: Connection refused");
        is_one_line(&done(asked.spawn().unwrap()).await, &told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_it_is_told_in_one_line_how_to_get_some() {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("signed-out");
    std::fs::create_dir_all(&home).unwrap();
    let config = home.join("config");
    std::fs::write(
        &config,
        "[profile desk]\nregion = eu-west-1\ncredential_process = false\n",
    )
    .unwrap();
    for arguments in [&["dlq", "list", DEAD][..], &["inspect", "n#k"]] {
        let mut nobody = operator(arguments);
        nobody.env("AWS_REGION", "eu-west-1");
        let told = "error: no credentials: sign in with `aws sso login`, or set AWS_PROFILE\n";
        is_one_line(&done(nobody.spawn().unwrap()).await, told);

        let mut signed_out = operator(arguments);
        signed_out.env("AWS_CONFIG_FILE", &config).env("AWS_PROFILE", "desk");
        let told = "error: no credentials of profile desk: sign in with `aws sso login --profile desk`, or set \
                    AWS_PROFILE to another (";
        is_one_line(&done(signed_out.spawn().unwrap()).await, told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_contradict_each_other_are_not_taken_for_a_lack_of_credentials() {
    let mut contradictory = operator(&["inspect", "n#k", "--endpoint-url", "http://127.0.0.1:1"]);
    contradictory.env("AWS_USE_FIPS_ENDPOINT", "true");
    let told = "error: table idempotency: Invalid Configuration: FIPS and custom endpoint are not supported";
    is_one_line(&done(contradictory.spawn().unwrap()).await, told);
}

fn is_one_line(done: &Done, told: &str) {
    assert!(
        done.code == Some(1) && done.err.starts_with(told) && done.err.lines().count() == 1,
        "{done:?}"
    );
}
