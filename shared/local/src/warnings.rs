//! What of the template works here, but not on AWS.

use sam::{Function, Mapping, Queue, Template};
use serde_json::Value;

/// A line for each setting that loses or delays messages on AWS, though everything works on one machine.
pub fn warnings(template: &Template) -> Vec<String> {
    let mut warnings: Vec<_> = template.functions.iter().filter_map(slow_requests).collect();
    for mapping in &template.mappings {
        let function = template.functions.iter().find(|one| one.name == mapping.function);
        let queue = template.queues.iter().find(|one| one.name == mapping.queue);
        if let (Some(function), Some(queue)) = (function, queue) {
            let found = [
                unreported_failures(mapping),
                short_visibility(mapping, function, queue),
                no_redrive(queue),
                no_dead_letter_queue(mapping, function),
                other_receive_count(function, queue),
            ];
            warnings.extend(found.into_iter().flatten());
        }
    }
    warnings
}

/// A request of this function to DynamoDB or SQS may take as long as its invocation.
fn slow_requests(function: &Function) -> Option<String> {
    const VARIABLE: &str = "REQUEST_TIMEOUT_SECONDS";
    let (request, timeout) = (function.environment.get(VARIABLE)?, function.timeout.as_secs());
    let too_long = request.parse().is_ok_and(|request: u64| request >= timeout);
    too_long.then(|| {
        format!(
            "{VARIABLE} of {} is {request}, and its Timeout is {timeout} seconds: a request without an answer takes the whole \
             invocation and is never sent again",
            function.name
        )
    })
}

fn unreported_failures(mapping: &Mapping) -> Option<String> {
    (!mapping.report_batch_item_failures).then(|| {
        format!(
            "without FunctionResponseTypes: [ReportBatchItemFailures], messages that {} reports as failed are deleted, here as \
             on AWS",
            mapping.function
        )
    })
}

/// What SQS has where a template states no `VisibilityTimeout`, in seconds.
const DEFAULT_VISIBILITY: u64 = 30;

/// The reader of the template refuses less than one timeout, as AWS does; see
/// [Configuring a queue to use with Lambda](https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html).
fn short_visibility(mapping: &Mapping, function: &Function, queue: &Queue) -> Option<String> {
    let visibility = match queue.attributes.get("VisibilityTimeout") {
        Some(text) => text.parse().ok()?,
        None => DEFAULT_VISIBILITY,
    };
    let (timeout, window) = (function.timeout.as_secs(), mapping.window.as_secs());
    let (queue, function) = (&queue.name, &function.name);
    let least = 6 * timeout + window;
    (visibility < least).then(|| {
        let plus = if window > 0 { " plus its batching window" } else { "" };
        format!(
            "VisibilityTimeout of {queue} is {visibility} seconds, less than six times the Timeout of {function}{plus}: on AWS, \
             messages of a throttled batch become visible too early, and their receive counts rise; set at least {least}"
        )
    })
}

fn no_redrive(queue: &Queue) -> Option<String> {
    redrive(queue).is_none().then(|| {
        format!(
            "{} has no RedrivePolicy: a message that always fails is received until its retention ends, and then it is lost",
            queue.name
        )
    })
}

/// The variable by which a function knows where to put the messages that it rejects.
const DEAD_LETTER_QUEUE: &str = "DEAD_LETTER_QUEUE_URL";

fn no_dead_letter_queue(mapping: &Mapping, function: &Function) -> Option<String> {
    let set = function.environment.get(DEAD_LETTER_QUEUE);
    set.is_none_or(String::is_empty).then(|| {
        format!(
            "{} has no {DEAD_LETTER_QUEUE}: a message of {} that it rejects stays there, and is retried like one that failed",
            function.name, mapping.queue
        )
    })
}

fn other_receive_count(function: &Function, queue: &Queue) -> Option<String> {
    const VARIABLE: &str = "MAX_RECEIVE_COUNT";
    let stated: u64 = function.environment.get(VARIABLE)?.parse().ok()?;
    let policy = redrive(queue)?;
    let count = &policy["maxReceiveCount"];
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
    (stated != count).then(|| {
        format!(
            "{VARIABLE} of {} is {stated}, and maxReceiveCount of {} is {count}: the function takes another delivery for the \
             last one than SQS does; give both the same value",
            function.name, queue.name
        )
    })
}

fn redrive(queue: &Queue) -> Option<Value> {
    serde_json::from_str(queue.attributes.get("RedrivePolicy")?).ok()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use sam::Settings;

    use super::*;

    /// A template without anything to warn of: a queue, its dead-letter queue, and a function.
    const GOOD: &str = "\
Transform: AWS::Serverless-2016-10-31
Resources:
  Dead:
    Type: AWS::SQS::Queue
    Properties: {QueueName: dead}
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: orders
      VisibilityTimeout: 30
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}
  Function:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: work}}
    Properties:
      FunctionName: work
      Runtime: provided.al2023
      Handler: bootstrap
      CodeUri: .
      Timeout: 5
      Environment: {Variables: {DEAD_LETTER_QUEUE_URL: !Ref Dead, MAX_RECEIVE_COUNT: 3, REQUEST_TIMEOUT_SECONDS: 4}}
      Events: {Q: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn, FunctionResponseTypes: [ReportBatchItemFailures]}}}
";

    fn warnings_of(name: &str, template: &str) -> Vec<String> {
        let path = directory().join(format!("{name}.yaml"));
        std::fs::write(&path, template).unwrap();
        warnings(&Template::read(&path, &Settings::default()).unwrap())
    }

    fn directory() -> PathBuf {
        let directory = std::env::temp_dir().join(format!("local-warnings-{}", std::process::id()));
        std::fs::create_dir_all(Path::new(&directory)).unwrap();
        directory
    }

    /// The only warning about the template with one change.
    #[track_caller]
    fn warns(name: &str, good: &str, bad: &str, warning: &str) {
        assert!(GOOD.contains(good), "{good}");
        let warnings = warnings_of(name, &GOOD.replace(good, bad));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(warning), "{warnings:?}");
    }

    #[test]
    fn a_good_template_has_no_warnings() {
        assert_eq!(warnings_of("good", GOOD), [""; 0]);
    }

    #[test]
    fn visibility_below_six_timeouts_is_warned_of() {
        let (good, short) = ("VisibilityTimeout: 30", "VisibilityTimeout: 29");
        warns(
            "six",
            good,
            short,
            "of orders is 29 seconds, less than six times the Timeout of work:",
        );
        warns("default", "Timeout: 5", "Timeout: 6", "set at least 36");
    }

    #[test]
    fn batching_window_adds_to_the_visibility_timeout() {
        let with_window = "Arn, MaximumBatchingWindowInSeconds: 1, Func";
        warns("window", "Arn, Func", with_window, "plus its batching window");
    }

    #[test]
    fn a_queue_without_redrive_policy_is_warned_of() {
        let policy = "      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}\n";
        warns("redrive", policy, "", "orders has no RedrivePolicy");
    }

    #[test]
    fn a_function_without_dead_letter_queue_is_warned_of() {
        warns(
            "dead",
            "DEAD_LETTER_QUEUE_URL: !Ref Dead, ",
            "",
            "work has no DEAD_LETTER_QUEUE_URL",
        );
    }

    #[test]
    fn another_receive_count_than_that_of_the_queue_is_warned_of() {
        warns(
            "count",
            "MAX_RECEIVE_COUNT: 3",
            "MAX_RECEIVE_COUNT: 4",
            "MAX_RECEIVE_COUNT of work is 4, and maxReceiveCount of orders is 3",
        );
    }

    #[test]
    fn failures_that_are_not_reported_are_warned_of() {
        warns(
            "failures",
            ", FunctionResponseTypes: [ReportBatchItemFailures]",
            "",
            "messages that work reports as failed are deleted",
        );
    }

    #[test]
    fn a_request_as_long_as_the_timeout_is_warned_of() {
        warns(
            "request",
            "REQUEST_TIMEOUT_SECONDS: 4",
            "REQUEST_TIMEOUT_SECONDS: 5",
            "REQUEST_TIMEOUT_SECONDS of work is 5, and its Timeout is 5 seconds",
        );
    }
}
