//! Wrong usage, help, and where the services are.

use crate::stage::{Stage, done, operator};

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_exits_with_2() {
    for arguments in [
        &[][..],
        &["fly"],
        &["inspect"],
        &["inspect", "no-namespace"],
        &["inspect", "place-order#"],
        &["inspect", "n#k", "--endpoint-url", "127.0.0.1:4566"],
        &["dlq"],
        &["dlq", "list"],
        &["dlq", "redrive", "orders-dlq", "--rate", "0"],
    ] {
        let done = done(operator(arguments).spawn().unwrap()).await;
        assert_eq!((done.code, done.out.as_str()), (Some(2), ""), "{arguments:?}: {done:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_its_namespace_is_told_what_is_missing() {
    let done = done(operator(&["inspect", "nope"]).spawn().unwrap()).await;
    assert!(
        done.err.contains("the '#' is missing: KEY is NAMESPACE#KEY"),
        "{done:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn help_says_what_each_command_does_in_lines_that_fit() {
    for arguments in [
        &["--help"][..],
        &["inspect", "--help"],
        &["unlock", "--help"],
        &["dlq", "list", "--help"],
        &["dlq", "redrive", "--help"],
        &["dlq", "redrive", "-h"],
    ] {
        let done = done(operator(arguments).spawn().unwrap()).await;
        assert!(done.code == Some(0) && done.out.contains("Usage: operator"), "{done:?}");
        let wide: Vec<_> = done.out.lines().filter(|line| line.chars().count() > 120).collect();
        assert!(wide.is_empty(), "{wide:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_endpoint_it_is_aws_and_asks_for_a_region() {
    let done = done(operator(&["inspect", "n#k"]).spawn().unwrap()).await;
    assert_eq!(done.code, Some(1));
    assert!(done.err.starts_with("error: no region: set AWS_REGION"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn region_and_credentials_of_a_profile_are_found() {
    let home = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("profile");
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

    let nobody = ["dlq", "list", "orders-dlq", "--endpoint-url", "http://127.0.0.1:1"];
    let nobody = done(operator(&nobody).spawn().unwrap()).await;
    assert!(
        nobody.err.contains("Connection refused") && nobody.err.lines().count() == 1,
        "{nobody:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_in_the_readme_is_one_that_is_understood() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    let lines = readme.lines();
    let commands = lines.filter_map(|line| line.trim().strip_prefix("cargo run -p operator -- "));
    let commands: Vec<_> = commands.map(|line| line.split(" #").next().unwrap()).collect();
    assert!(commands.len() >= 4, "{commands:?}");
    for command in commands {
        // What goes before --help is parsed, but not run.
        let arguments: Vec<_> = command.split_whitespace().chain(["--help"]).collect();
        let done = done(operator(&arguments).spawn().unwrap()).await;
        assert_eq!(done.code, Some(0), "{command}: {done:?}");
    }
}
