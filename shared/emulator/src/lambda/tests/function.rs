//! A function for the tests to run: this very test binary, started by a variable as one.

use std::{
    env,
    io::{Read, Write},
    net::TcpStream,
    process::{Command, exit},
    thread,
};

use serde_json::{Value, json};

use super::{super::invocation::RESPONSE_BYTES, http};

/// Set where this binary is to act as a function; its value is how it starts: `well`, `exit`, `hang`, or `report`.
pub(super) const START: &str = "TEST_FUNCTION_START";

/// Set where this binary is to act as what a function has started: connect there and stay.
const STAY: &str = "TEST_FUNCTION_STAY";

/// The arguments that make this binary run nothing but the function.
pub(super) const ARGUMENTS: [&str; 3] = [
    "--exact",
    "lambda::tests::function::without_its_variable_this_binary_is_no_function",
    "--nocapture",
];

#[test]
fn without_its_variable_this_binary_is_no_function() {
    if let Ok(address) = env::var(STAY) {
        hold(&address);
        return;
    }
    if let Ok(start) = env::var(START) {
        serve(&start);
    }
    assert!(
        env::var("AWS_LAMBDA_RUNTIME_API").is_err(),
        "a function that stopped serving"
    );
}

fn serve(start: &str) {
    let api = env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    let (address, prefix) = api.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let call = |line: &str, body: &str| {
        let (method, path) = line.split_once(' ').unwrap();
        http::request(
            address,
            &format!("{method} /{prefix}/2018-06-01/runtime/{path}"),
            &[],
            body.as_bytes(),
        )
    };
    match start {
        "exit" => {
            eprintln!("TABLE is not set");
            exit(1);
        }
        "hang" => hang(),
        "report" => {
            let answer = call("POST init/error", r#"{"errorType":"Init","errorMessage":"no table"}"#).unwrap();
            println!("report: {}", answer.status);
            exit(1);
        }
        _ => {}
    }
    // The stack is gone when `next` is not answered.
    while let Ok(next) = call("GET invocation/next", "") {
        let id = &next.headers["lambda-runtime-aws-request-id"];
        let payload: Value = serde_json::from_str(&next.body).unwrap();
        let order = order(&payload);
        let answer =
            |text: &str| call(&format!("POST invocation/{id}/response"), text).map_or(0, |answer| answer.status);
        let report = |call: &str, status| println!("{call}: {status}");
        match order["do"].as_str().unwrap() {
            "echo" => report("answer", answer(&json!({ "pid": std::process::id(), "headers": next.headers, "payload": payload, "name": env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap() }).to_string())),
            "say" => report("answer", answer(order["text"].as_str().unwrap())),
            "fail" => {
                let error = r#"{"errorType":"Scripted","errorMessage":"as scripted"}"#;
                report("error", call(&format!("POST invocation/{id}/error"), error).unwrap().status);
            }
            "exit" => {
                eprintln!("giving up");
                exit(3);
            }
            "hang" => hang(),
            "answer and hang" => {
                report("answer", answer("{}"));
                hang();
            }
            "answer and exit" => {
                report("answer", answer("{}"));
                exit(0);
            }
            "answer twice" => {
                answer("1");
                report("second answer", answer("2"));
                report("late init error", call("POST init/error", "{}").unwrap().status);
            }
            "answer another" => {
                report("other answer", call("POST invocation/other/response", "{}").unwrap().status);
                report("early next", call("GET invocation/next", "").unwrap().status);
                answer("{}");
            }
            "answer too much" => report("answer", answer(&"x".repeat(RESPONSE_BYTES + 1))),
            "hold" => {
                hold(order["at"].as_str().unwrap());
                answer(&failures(&payload).to_string());
            }
            "start another" => {
                let mut other = Command::new(env::current_exe().unwrap());
                let mut other = other.args(ARGUMENTS).env(STAY, order["at"].as_str().unwrap()).spawn().unwrap();
                other.wait().unwrap();
            }
            other => panic!("no such order: {other}"),
        }
    }
}

/// What to do: an SQS event's first message may contain it; if not, the failed messages are named.
fn order(payload: &Value) -> Value {
    match payload["Records"][0]["body"].as_str() {
        None => payload.clone(),
        Some(body) => {
            serde_json::from_str(body).unwrap_or_else(|_| json!({ "do": "say", "text": failures(payload).to_string() }))
        }
    }
}

fn failures(payload: &Value) -> Value {
    let records = payload["Records"].as_array().into_iter().flatten();
    let failed = records.filter(|record| record["body"] == "fail");
    let items: Vec<_> = failed
        .map(|record| json!({ "itemIdentifier": record["messageId"] }))
        .collect();
    json!({ "batchItemFailures": items })
}

/// Sends its process ID to a test, and waits until it is released.
fn hold(address: &str) {
    let mut connection = TcpStream::connect(address).unwrap();
    writeln!(connection, "{}", std::process::id()).unwrap();
    let _ = connection.read(&mut [0]);
}

fn hang() -> ! {
    loop {
        thread::park();
    }
}
