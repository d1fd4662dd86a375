//! What the compiler reports for common mistakes of a handler's author. Only our own words are compared, because the rest depends
//! on the compiler's version.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A handler without a mistake, which a host runs. Mistakes replace parts of it.
const HANDLER: &str = r#"
use consumer::{Delivery, Failure, Handler};
use idempotency::{Completion, MemoryStore, NoWrites, StoreFor};

struct Order;
type Message = String;
type Writes = NoWrites;
struct PlaceOrder;

impl Handler for PlaceOrder {
    type Message = Message;
    type Write = Writes;
    const NAMESPACE: &'static str = "place-order";

    async fn handle(&self, message: Message, _: &Delivery) -> Result<Completion, Failure> {
        let _number: u8 = message.parse()?;
        Ok(Completion::new())
    }
}

fn host<H: Handler, S: StoreFor<H::Write>>(_: H, _: S) {}

pub fn main() {
    host(PlaceOrder, MemoryStore::<NoWrites>::new());
}

pub async fn process(message: consumer::Incoming, budget: &consumer::Budget) {
    let (handler, services) = (std::sync::Arc::new(PlaceOrder), consumer::Services::in_memory());
    consumer::process_one(&handler, &services, message, false, budget).await;
}
"#;

/// Compiled libraries of these crates. There may be several, of builds with other features.
fn libraries(name: &str) -> Vec<PathBuf> {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_library = |path: &PathBuf| {
        let file = path.file_name().unwrap().to_string_lossy();
        file.starts_with(&format!("lib{name}-")) && file.ends_with(".rlib")
    };
    let mut files: Vec<_> = files.filter(is_library).collect();
    // The newest was built from the sources as they are.
    files.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().modified().unwrap()));
    files
}

/// What the compiler reports; `None` if it accepts the code.
fn report(code: &str, consumer: &Path, idempotency: &Path) -> Option<String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    static COMPILED: AtomicUsize = AtomicUsize::new(0);
    let number = COMPILED.fetch_add(1, Ordering::Relaxed);
    let name = format!("mistake_{}_{number}", std::process::id());
    let (source, output) = (folder.join(format!("{name}.rs")), folder.join(format!("{name}.rlib")));
    fs::write(&source, code).unwrap();
    let external = |name: &str, path: &Path| format!("--extern={name}={}", path.display());
    let compiled = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
        // Constants of a generic function are evaluated when code is generated.
        .args([
            "--edition=2024",
            "--crate-type=lib",
            "--emit=link",
            "-Awarnings",
            "--color=never",
        ])
        .arg(format!("-Ldependency={}", consumer.parent().unwrap().display()))
        .arg(external("consumer", consumer))
        .arg(external("idempotency", idempotency))
        .arg("-o")
        .args([&output, &source])
        .output()
        .unwrap();
    let _ = (fs::remove_file(&source), fs::remove_file(&output));
    let report = String::from_utf8_lossy(&compiled.stderr).into_owned();
    (!compiled.status.success()).then_some(report)
}

/// Two libraries that belong together: with them, the handler without a mistake compiles.
fn pair() -> &'static (PathBuf, PathBuf) {
    static PAIR: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    PAIR.get_or_init(|| {
        let mut reports = String::new();
        for consumer in libraries("consumer") {
            for idempotency in libraries("idempotency") {
                match report(HANDLER, &consumer, &idempotency) {
                    None => return (consumer, idempotency),
                    Some(report) => reports = report,
                }
            }
        }
        panic!("the handler without a mistake does not compile with any of the libraries; last: {reports}")
    })
}

/// What the compiler reports for the handler with these parts replaced, in one line.
fn mistake(parts: &[(&str, &str)]) -> String {
    let (consumer, idempotency) = pair();
    let mut code = HANDLER.to_owned();
    for (part, replacement) in parts {
        assert!(code.contains(part), "{part}");
        code = code.replacen(part, replacement, 1);
    }
    let report = report(&code, consumer, idempotency);
    let report = report.unwrap_or_else(|| panic!("{parts:?} compiles"));
    report.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn assert_contains(report: &str, texts: &[&str]) {
    for text in texts {
        assert!(report.contains(text), "{text:?} is not in {report}");
    }
}

#[test]
fn a_message_without_deserialize_is_explained() {
    let report = mistake(&[
        ("type Message = String;", "type Message = Order;"),
        ("message.parse()?", "7"),
    ]);
    assert_contains(
        &report,
        &[
            "`Order` can't be decoded from a body",
            "derive `serde::Deserialize` for a message in JSON, or use `RawBody` for any other",
        ],
    );
}

#[test]
fn a_type_that_is_no_handler_is_explained() {
    let report = mistake(&[("host(PlaceOrder,", "host(Order,")]);
    assert_contains(
        &report,
        &[
            "`Order` is not a handler of messages",
            "a handler states `type Message`, `type Write` and `const NAMESPACE`",
        ],
    );
}

#[test]
fn a_write_type_that_no_store_has_is_explained() {
    let report = mistake(&[("type Writes = NoWrites;", "type Writes = Order;")]);
    assert_contains(
        &report,
        &[
            "`Order` is not a write that a store can commit",
            "type Write = NoWrites;",
        ],
    );
}

/// A handler with writes of its own, on a store that has none.
#[test]
fn writes_of_another_store_are_explained() {
    let row = "#[derive(Debug)] struct Row; impl idempotency::Write for Row { type Found = (); \
               fn refusal(&self, _: Option<&()>) -> idempotency::Refusal { idempotency::Refusal::AlreadyDone } } \
               type Writes = Row;";
    let report = mistake(&[
        ("type Writes = NoWrites;", row),
        ("Result<Completion, Failure>", "Result<Completion<Row>, Failure>"),
        (
            "consumer::process_one(&handler, &services, message, false, budget).await;",
            "",
        ),
        ("consumer::Services::in_memory()", "(message, budget)"),
    ]);
    assert_contains(
        &report,
        &[
            "can't commit writes of type `Row`",
            "the handler's `type Write` belongs to another store",
        ],
    );
}

#[test]
fn a_namespace_that_no_key_can_begin_with_does_not_compile() {
    for namespace in ["", "place#order"] {
        let report = mistake(&[("\"place-order\"", &format!("{namespace:?}"))]);
        assert_contains(&report, &["NAMESPACE must have 1 to 255 bytes and no '#'"]);
    }
}

/// These are the compiler's own words, which no attribute can change: they name what is wrong.
#[test]
fn other_mistakes_name_the_type_that_is_wrong() {
    for (parts, texts) in [
        (
            // A failure is made of an error, not of a text.
            ("message.parse()?", "Err(message)?"),
            ["Failure", "String"],
        ),
        (
            (
                "let _number: u8 = message.parse()?;",
                "let shared = std::rc::Rc::new(message); std::future::ready(()).await; drop(shared);",
            ),
            ["future", "Rc<"],
        ),
        (
            ("Result<Completion, Failure>", "Result<Completion<u8>, Failure>"),
            ["Completion<u8>", "NoWrites"],
        ),
    ] {
        assert_contains(&mistake(&[parts]), &texts);
    }
}
