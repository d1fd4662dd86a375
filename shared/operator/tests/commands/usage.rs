//! Wrong usage, and help.

use testing::commands;

use crate::stage::{done, operator};

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
        &["dlq", "redrive", "orders-dlq", "--rate", "4294967295"],
        &["dlq", "redrive", "orders-dlq", "--limit", "0"],
        &["dlq", "redrive", "orders-dlq", "--table", ""],
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
async fn a_rate_that_no_clock_can_keep_is_told_what_it_may_be() {
    for rate in ["0", "10001"] {
        let done = done(
            operator(&["dlq", "redrive", "orders-dlq", "--rate", rate])
                .spawn()
                .unwrap(),
        )
        .await;
        assert!(done.err.contains(&format!("{rate} is not in 1..=10000")), "{done:?}");
    }
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
async fn every_command_on_a_page_parses() {
    let commands = commands("operator");
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        // What is before --help is parsed, but not run.
        let arguments: Vec<_> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let done = done(operator(&arguments).spawn().unwrap()).await;
        assert_eq!(done.code, Some(0), "{command:?}: {done:?}");
    }
}
