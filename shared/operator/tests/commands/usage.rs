//! Wrong usage and `--help`.

use testing::commands;

use crate::harness::{done, operator};

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_exits_with_2() {
    for arguments in [
        &[][..],
        &["fly"],
        &["inspect"],
        &["inspect", "no-namespace"],
        &["inspect", "place-order#"],
        &["inspect", "n#k", "--endpoint-url", "127.0.0.1:4566"],
        &["outgoing"],
        &["outgoing", "resend"],
        &["outgoing", "resend", "no-namespace"],
        &["outgoing", "resend", "n#k", "--message", "first"],
        &["dlq"],
        &["dlq", "list"],
        &["dlq", "redrive", "orders-dlq", "--rate", "0"],
        &["dlq", "redrive", "orders-dlq", "--rate", "4294967295"],
        &["dlq", "redrive", "orders-dlq", "--limit", "0"],
        &["dlq", "redrive", "orders-dlq", "--table", ""],
        &["sweep", "--limit", "0"],
    ] {
        let done = done(operator(arguments).spawn().unwrap()).await;
        assert_eq!((done.code, done.out.as_str()), (Some(2), ""), "{arguments:?}: {done:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_without_a_namespace_is_wrong_usage() {
    let done = done(operator(&["inspect", "nope"]).spawn().unwrap()).await;
    assert!(done.err.contains("the '#' is missing: write NAMESPACE#KEY"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_out_of_range_names_the_range() {
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
async fn help_fits_in_120_columns() {
    for arguments in [
        &["--help"][..],
        &["inspect", "--help"],
        &["unlock", "--help"],
        &["outgoing", "--help"],
        &["outgoing", "resend", "--help"],
        &["outgoing", "resend", "-h"],
        &["schema", "--help"],
        &["sweep", "--help"],
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
async fn every_command_in_the_documentation_parses() {
    let commands = commands("operator");
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        // Arguments before --help are parsed, but the command does not run.
        let arguments: Vec<_> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let done = done(operator(&arguments).spawn().unwrap()).await;
        assert_eq!(done.code, Some(0), "{command:?}: {done:?}");
    }
}
