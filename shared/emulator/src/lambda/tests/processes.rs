//! What functions do, and what their callers get.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::process::{Pid, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    super::{Event, Function, InvokeError, Signal},
    function::START,
    stack::{Gate, PATIENCE, Stack, function},
};

const SHORT: Duration = Duration::from_millis(300);

fn parsed(payload: &[u8]) -> Value {
    serde_json::from_slice(payload).unwrap()
}

fn started(event: Event) -> Option<u32> {
    if let Event::ProcessStarted { pid, .. } = event {
        Some(pid)
    } else {
        None
    }
}

/// Waits until every thread of a process has stopped, which is some time after the signal.
async fn stopped(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
    tokio::task::spawn_blocking(move || waitid(WaitId::Pid(pid), options))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_function_gets_the_payload_and_its_answer_comes_back() {
    let stack = Stack::new().await;
    let invocation = stack.invoke(json!({ "do": "echo", "n": 1 })).await;
    let answer = parsed(&invocation.payload);
    assert!(!invocation.failed);
    assert_eq!(answer["payload"]["n"], 1);
    assert_eq!(answer["name"], "test");
    assert_eq!(
        answer["headers"]["lambda-runtime-aws-request-id"],
        invocation.request_id.as_str()
    );
    assert_eq!(
        answer["headers"]["lambda-runtime-invoked-function-arn"],
        "arn:aws:lambda:eu-west-1:000000000000:function:test"
    );
    stack.lambda.shutdown().await;
}

#[tokio::test]
async fn the_deadline_is_true() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let timeout = PATIENCE;
    let stack = Stack::with_timeout(timeout).await;
    // The first invocation starts the process, which the deadline does not count.
    stack.invoke(json!({ "do": "echo" })).await;
    let before = now();
    let answer = parsed(&stack.invoke(json!({ "do": "echo" })).await.payload);
    let deadline: u64 = answer["headers"]["lambda-runtime-deadline-ms"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let (earliest, latest) = ((before + timeout).as_millis(), (now() + timeout).as_millis());
    assert!(
        (earliest..=latest).contains(&u128::from(deadline)),
        "{deadline} is not in {earliest}..={latest}"
    );
    stack.lambda.shutdown().await;
}

#[tokio::test]
async fn a_warm_process_is_used_again() {
    let mut stack = Stack::new().await;
    let pid = |payload: &[u8]| parsed(payload)["pid"].as_u64().unwrap();
    let first = pid(&stack.invoke(json!({ "do": "echo" })).await.payload);
    stack.invoke(json!({ "do": "fail" })).await;
    let third = pid(&stack.invoke(json!({ "do": "echo" })).await.payload);
    assert_eq!(first, third);
    assert_eq!(stack.events().into_iter().filter_map(started).count(), 1);
    stack.lambda.shutdown().await;
}

#[tokio::test]
async fn a_process_started_early_serves_the_first_invocation() {
    let mut stack = Stack::new().await;
    stack.lambda.start_each().await;
    assert_eq!(stack.events().into_iter().filter_map(started).count(), 1);
    assert!(!stack.invoke(json!({ "do": "echo" })).await.failed);
    assert_eq!(stack.events().into_iter().filter_map(started).count(), 0);
    stack.lambda.shutdown().await;
}

#[tokio::test]
async fn a_function_that_cannot_start_is_reported_with_its_reason() {
    let mut stack = Stack::with(function("exit", PATIENCE)).await;
    stack.lambda.start_each().await;
    let failed = |event| match event {
        Event::InitFailed { function, reason } => Some((function, reason)),
        _ => None,
    };
    let (function, reason) = stack.event(failed).await;
    assert_eq!(function, "test");
    assert!(
        reason.contains("exit status 1; its last words: TABLE is not set"),
        "{reason}"
    );
    stack.lambda.shutdown().await;
}

#[tokio::test]
async fn a_retired_process_ends_after_its_invocation() {
    let (mut stack, gate) = (Stack::new().await, Gate::new().await);
    let (held, idle) = (stack.invoke_held(&gate), stack.invoke_held(&gate));
    let (one, other) = (gate.arrival().await, gate.arrival().await);
    let (first, second) = (one.pid, other.pid);
    other.release().await;
    tokio::select! { _ = held => {}, _ = idle => {} }
    stack.lambda.retire("test");
    let third = parsed(&stack.invoke(json!({ "do": "echo" })).await.payload)["pid"]
        .as_u64()
        .unwrap();
    assert!(![first, second].map(u64::from).contains(&third), "a new process");
    assert_eq!(stack.lambda.working("test").len(), 1, "the held one goes on");
    one.release().await;
    for _ in 0..2 {
        stack
            .event(|event| matches!(event, Event::ProcessEnded { .. }).then_some(()))
            .await;
    }
    stack.lambda.shutdown().await;
}

#[tokio::test]
async fn concurrent_invocations_have_a_process_each() {
    let (stack, gate) = (Stack::new().await, Gate::new().await);
    let invocations = [stack.invoke_held(&gate), stack.invoke_held(&gate)];
    let (one, other) = (gate.arrival().await, gate.arrival().await);
    assert_ne!(one.pid, other.pid);
    one.release().await;
    other.release().await;
    for invocation in invocations {
        assert!(!invocation.await.unwrap().failed);
    }
    stack.lambda.shutdown().await;
}

#[tokio::test]
async fn an_error_that_a_function_reports_is_handed_on() {
    let stack = Stack::new().await;
    let invocation = stack.invoke(json!({ "do": "fail" })).await;
    assert!(invocation.failed);
    assert_eq!(
        parsed(&invocation.payload),
        json!({ "errorType": "Scripted", "errorMessage": "as scripted" })
    );
    stack.lambda.shutdown().await;
}

#[tokio::test]
async fn a_process_that_exits_fails_its_invocation_and_is_replaced() {
    let stack = Stack::new().await;
    let invocation = stack.invoke(json!({ "do": "exit" })).await;
    let message = format!(
        "RequestId: {} Error: Runtime exited with error: exit status 3; its last words: giving up",
        invocation.request_id
    );
    assert_eq!(
        parsed(&invocation.payload),
        json!({ "errorType": "Runtime.ExitError", "errorMessage": message })
    );
    assert!(invocation.failed);
    assert!(String::from_utf8_lossy(&invocation.log_tail).contains("giving up"));
    assert!(!stack.invoke(json!({ "do": "echo" })).await.failed);
    stack.lambda.shutdown().await;
}

#[tokio::test]
async fn kill_ends_processes_in_mid_invocation_only() {
    let (mut stack, gate) = (Stack::new().await, Gate::new().await);
    // Two processes, of which one gets nothing more to do.
    let both = [stack.invoke_held(&gate), stack.invoke_held(&gate)];
    for held in [gate.arrival().await, gate.arrival().await] {
        held.release().await;
    }
    for invocation in both {
        invocation.await.unwrap();
    }
    assert_eq!(stack.lambda.kill("test"), 0, "both are idle");

    let invocation = stack.invoke_held(&gate);
    let held = gate.arrival().await;
    assert_eq!(stack.lambda.kill("test"), 1);
    let invocation = invocation.await.unwrap();
    let reason = invocation.reason().unwrap();
    assert!(
        reason.ends_with("Error: Runtime exited with error: signal: killed"),
        "{reason}"
    );
    held.death().await;
    let killed = stack
        .event(|event| match event {
            Event::InvocationKilled { request_id, .. } => Some(request_id),
            _ => None,
        })
        .await;
    assert_eq!(killed, invocation.request_id);
    stack.lambda.shutdown().await;
}

/// Without the delay it would be killed at its deadline.
#[tokio::test]
async fn a_stopped_process_goes_on_after_a_deadline_that_is_missed() {
    let stack = Stack::with_timeout(SHORT).await;
    stack.lambda.set_kill_delay(Duration::from_secs(600));
    let gate = Gate::new().await;
    let invocation = stack.invoke_held(&gate);
    let held = gate.arrival().await;
    let working = stack.lambda.working("test");
    assert_eq!(working.len(), 1);
    assert!(stack.lambda.signal(&working[0], Signal::Stop));
    stopped(held.pid).await;
    held.release().await;
    tokio::time::sleep(SHORT * 2).await;
    assert!(!invocation.is_finished());
    assert!(stack.lambda.signal(&working[0], Signal::Continue));
    assert!(!invocation.await.unwrap().failed);
    stack.lambda.shutdown().await;
    assert!(!stack.lambda.signal(&working[0], Signal::Continue));
}

#[tokio::test]
async fn a_process_that_hangs_is_killed_at_its_deadline() {
    let mut stack = Stack::with_timeout(SHORT).await;
    let invocation = stack.invoke(json!({ "do": "hang" })).await;
    let message = format!(
        "RequestId: {} Error: Task timed out after 0.30 seconds",
        invocation.request_id
    );
    assert_eq!(
        parsed(&invocation.payload),
        json!({ "errorType": "Sandbox.Timedout", "errorMessage": message })
    );
    assert!(invocation.duration >= SHORT);
    let how = stack
        .event(|event| {
            if let Event::ProcessEnded { how, .. } = event {
                Some(how)
            } else {
                None
            }
        })
        .await;
    assert_eq!(how, "signal: killed");
}

#[tokio::test]
async fn an_answer_stands_though_its_process_never_asks_for_more() {
    let mut stack = Stack::new().await;
    for order in ["answer and hang", "answer and exit"] {
        let lambda = Arc::clone(&stack.lambda);
        let invocation = tokio::spawn(async move { lambda.invoke("test", json!({ "do": order }).to_string()).await });
        assert_eq!(stack.line("answer").await, "answer: 202", "{order}");
        stack.pass(PATIENCE).await;
        let invocation = invocation.await.unwrap().unwrap();
        assert_eq!(&invocation.payload[..], b"{}", "{order}");
        assert!(!invocation.failed, "{order}");
        stack
            .event(|event| matches!(event, Event::ProcessEnded { .. }).then_some(()))
            .await;
    }
}

#[tokio::test]
async fn an_answer_counts_once_and_for_its_own_invocation() {
    let mut stack = Stack::new().await;
    let invocation = stack.invoke(json!({ "do": "answer twice" })).await;
    assert_eq!(&invocation.payload[..], b"1");
    assert_eq!(stack.line("second answer").await, "second answer: 403");
    assert_eq!(stack.line("late init error").await, "late init error: 403");
    stack.invoke(json!({ "do": "answer another" })).await;
    assert_eq!(stack.line("other answer").await, "other answer: 400");
    assert_eq!(stack.line("early next").await, "early next: 400");
    stack.lambda.shutdown().await;
}

#[tokio::test]
async fn an_answer_over_six_megabytes_is_a_failure() {
    let mut stack = Stack::new().await;
    let invocation = stack.invoke(json!({ "do": "answer too much" })).await;
    assert!(invocation.failed);
    assert_eq!(
        parsed(&invocation.payload)["errorType"],
        "Function.ResponseSizeTooLarge"
    );
    assert_eq!(stack.line("answer").await, "answer: 413");
    stack.lambda.shutdown().await;
}

#[tokio::test]
async fn a_process_that_exits_at_its_start_says_why() {
    let stack = Stack::with(function("exit", SHORT)).await;
    let reason = stack.invoke(json!({})).await.reason().unwrap();
    assert!(reason.starts_with("Runtime.ExitError: "), "{reason}");
    assert!(
        reason.ends_with("exit status 1; its last words: TABLE is not set"),
        "{reason}"
    );
}

#[tokio::test]
async fn an_init_error_that_a_runtime_reports_is_handed_on() {
    let mut stack = Stack::with(function("report", SHORT)).await;
    let invocation = stack.invoke(json!({})).await;
    assert_eq!(invocation.reason().unwrap(), "Init: no table");
    assert_eq!(stack.line("report").await, "report: 202");
}

#[tokio::test]
async fn a_process_that_never_asks_for_work_is_killed() {
    let mut stack = Stack::with(function("hang", PATIENCE)).await;
    stack.lambda.set_init_limit(SHORT);
    let reason = stack.invoke(json!({})).await.reason().unwrap();
    assert!(
        reason.ends_with("timed out after 0.30 seconds; it never requested its first invocation"),
        "{reason}"
    );
    stack
        .event(|event| matches!(event, Event::ProcessEnded { .. }).then_some(()))
        .await;
}

#[tokio::test]
async fn a_program_that_can_not_be_started_is_named() {
    for (command, named) in [
        (vec!["/no/such/bootstrap".to_owned()], "/no/such/bootstrap"),
        (vec![], "no command"),
    ] {
        let stack = Stack::with(Function {
            command,
            ..function("well", SHORT)
        })
        .await;
        let reason = stack.invoke(json!({})).await.reason().unwrap();
        assert!(
            reason.starts_with("Runtime.InvalidEntrypoint: ") && reason.contains(named),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn an_invocation_goes_on_when_its_caller_hangs_up() {
    let (stack, gate) = (Stack::new().await, Gate::new().await);
    let caller = stack.invoke_held(&gate);
    let held = gate.arrival().await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    let pid = held.pid;
    held.release().await;
    // It is free again once the abandoned invocation has ended, which takes as long as it takes.
    let comes_back = async {
        loop {
            let invocation = stack.invoke_held(&gate);
            let held = gate.arrival().await;
            let again = held.pid == pid;
            held.release().await;
            invocation.await.unwrap();
            if again {
                break;
            }
        }
    };
    timeout(PATIENCE, comes_back).await.expect("it never came back");
    stack.lambda.shutdown().await;
}

#[tokio::test]
async fn shutdown_leaves_no_process_behind() {
    let (stack, gate) = (Stack::new().await, Gate::new().await);
    let invocation = stack.invoke_held(&gate);
    let held = gate.arrival().await;
    stack.lambda.shutdown().await;
    held.death().await;
    assert!(invocation.await.unwrap().failed);
    assert_eq!(
        stack.lambda.invoke("test", "{}").await.unwrap_err(),
        InvokeError::ShuttingDown
    );
}

#[tokio::test]
async fn what_a_process_has_started_ends_with_it() {
    let (mut stack, gate) = (Stack::new().await, Gate::new().await);
    let lambda = Arc::clone(&stack.lambda);
    let order = json!({ "do": "start another", "at": gate.address() });
    let invocation = tokio::spawn(async move { lambda.invoke("test", order.to_string()).await });
    let descendant = gate.arrival().await;
    let pid = stack.event(started).await;
    assert_ne!(pid, descendant.pid);
    kill_process(
        Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    descendant.death().await;
    assert!(invocation.await.unwrap().unwrap().failed);
}

#[tokio::test]
async fn a_process_gets_only_its_functions_variables() {
    let function = Function {
        command: vec!["/usr/bin/env".to_owned()],
        ..function("well", SHORT)
    };
    let mut stack = Stack::with(function).await;
    stack.invoke(json!({})).await;
    let lines = stack.events().into_iter().filter_map(|event| match event {
        Event::Log { line, .. } => Some(line),
        _ => None,
    });
    let (lambda, own): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("AWS_"));
    assert!(
        lambda.contains(&"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128".to_owned()),
        "{lambda:?}"
    );
    let mut own: Vec<_> = own.iter().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    own.sort_unstable();
    assert_eq!(
        own,
        [
            "LAMBDA_RUNTIME_DIR",
            "LAMBDA_TASK_ROOT",
            "LANG",
            "PATH",
            START,
            "TZ",
            "_HANDLER"
        ]
    );
}
