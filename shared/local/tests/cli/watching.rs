//! What a running stack prints of its functions, and how it follows their sources.

use std::path::Path;

use rustix::process::Signal;

use crate::harness::{Up, directory, file, triggered, workspace};

/// A program that ends at once.
fn program(text: &str) -> String {
    format!("fn main() {{ println!(\"{text}\"); std::process::exit(7) }}")
}

#[test]
fn a_change_of_sources_is_built_and_run_an_error_is_not() {
    let path = workspace("watched", &program("version one"));
    let directory = Path::new(&path).parent().unwrap();
    let mut up = Up::start_with(&path, &["--watch"]);
    // Not an error: that the function ends before its first invocation is what this shows.
    up.line("work: version one");
    up.line("work: does not start: ");
    file(directory, "src/main.rs", "fn main() { 1 + \"one\" }");
    up.line("sources changed: building");
    let failed = up.line("build");
    assert!(
        failed.ends_with("the functions run as they were built before"),
        "{failed}"
    );
    file(directory, "src/other.rs", "pub const TEXT: &str = \"version two\";");
    file(
        directory,
        "src/main.rs",
        "mod other; fn main() { println!(\"{}\", other::TEXT); }",
    );
    up.line("the functions are built");
    up.line("work: version two");
    file(directory, "src/other.rs", "pub const TEXT: &str = \"version three\";");
    up.line("work: version three");
    up.signal(Signal::TERM);
    assert!(up.ended().0.success());
}

#[test]
fn a_change_during_the_first_build_is_built() {
    let path = workspace("saved-meanwhile", &program("version one"));
    let directory = Path::new(&path).parent().unwrap();
    // Beside the source, as an editor saves: once.
    let save = r#"fn main() {
        if !std::path::Path::new("src/saved.rs").exists() { std::fs::write("src/saved.rs", "").unwrap() }
    }"#;
    file(directory, "build.rs", save);
    let mut up = Up::start_with(&path, &["--watch"]);
    up.line("sources changed: building");
    up.line("the functions are built");
    up.signal(Signal::TERM);
    assert!(up.ended().0.success());
}

#[test]
fn a_function_that_cannot_start_is_shown_before_any_message() {
    let directory = directory("no-start");
    let path = triggered(&directory, "work", "echo TABLE is not set >&2; exit 1");
    let mut up = Up::start_with(&path, &["--binaries", directory.to_str().unwrap()]);
    let line = up.line("does not start");
    let (_time, text) = line.split_once(' ').unwrap();
    assert_eq!(
        text,
        "work: does not start: Runtime.ExitError: Runtime exited with error: exit status 1; its last words: TABLE is not set"
    );
    up.signal(Signal::TERM);
    assert!(up.ended().0.success());
}
