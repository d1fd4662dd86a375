//! Event source mappings: a function's `Events` of type SQS, and `AWS::Lambda::EventSourceMapping`.

use std::time::Duration;

use super::{
    declared::Declared,
    error::Problem,
    model::{Function, Mapping, Queue},
    node::Node,
    properties::{Properties, Rules},
    scope::Scope,
};

const FILTER: (&str, &str) = (
    "FilterCriteria",
    "the local stack's mappings don't filter: remove the property, and filter in the function",
);
const POLLERS: (&str, &str) = (
    "ProvisionedPollerConfig",
    "the local stack has no provisioned pollers: use ScalingConfig.MaximumConcurrency",
);

/// Properties of a SAM event of type SQS.
const EVENT: Rules = Rules {
    supported: &[
        "BatchSize",
        "Enabled",
        "FunctionResponseTypes",
        "MaximumBatchingWindowInSeconds",
        "Queue",
    ],
    parts: &["ScalingConfig"],
    without_effect: &["KmsKeyArn", "MetricsConfig"],
    refused: &[FILTER, POLLERS],
};

/// Properties of CloudFormation's own resource.
const RESOURCE: Rules = Rules {
    supported: &[
        "BatchSize",
        "Enabled",
        "EventSourceArn",
        "FunctionName",
        "FunctionResponseTypes",
        "MaximumBatchingWindowInSeconds",
    ],
    parts: &["ScalingConfig"],
    without_effect: &["KmsKeyArn", "MetricsConfig", "Tags"],
    refused: &[FILTER, POLLERS],
};

const EVENT_SOURCE: Rules = Rules {
    supported: &["Type"],
    parts: &["Properties"],
    without_effect: &[],
    refused: &[],
};
const SCALING: Rules = Rules::only(&["MaximumConcurrency"]);

/// What the template created so far, to look up what a mapping names.
pub(crate) struct Known<'a> {
    pub(crate) scope: &'a Scope<'a>,
    pub(crate) functions: &'a [Function],
    pub(crate) queues: &'a [Queue],
}

impl Known<'_> {
    /// The mappings of one function's `Events`.
    pub(crate) fn events(&self, function: &Function, events: &Node) -> Result<Vec<Mapping>, Problem> {
        events
            .map()?
            .iter()
            .map(|(_, event)| self.event(function, event))
            .collect()
    }

    fn event(&self, function: &Function, event: &Node) -> Result<Mapping, Problem> {
        let source = Properties::open(self.scope, event, &EVENT_SOURCE)?;
        let kind = source.required("Type")?;
        if kind.text()? != "SQS" {
            return Err(kind.unsupported("the local stack triggers functions by SQS alone: remove the event"));
        }
        let properties = source.part(self.scope, "Properties", &EVENT)?;
        let properties = properties.ok_or_else(|| event.invalid("Properties is missing"))?;
        self.mapping(function, properties.required("Queue")?, &properties)
    }

    /// The mapping of one `AWS::Lambda::EventSourceMapping`.
    pub(crate) fn resource(&self, resource: &Declared<'_>) -> Result<Mapping, Problem> {
        let properties = Properties::open(self.scope, &resource.properties, &RESOURCE)?;
        let function = self.function(properties.required("FunctionName")?)?;
        self.mapping(function, properties.required("EventSourceArn")?, &properties)
    }

    fn mapping(&self, function: &Function, arn: &Node, properties: &Properties) -> Result<Mapping, Problem> {
        let queue = self.queue(arn)?;
        check_visibility(function, queue, arn)?;
        let scaling = properties.part(self.scope, "ScalingConfig", &SCALING)?;
        let maximum_concurrency = scaling
            .map(|scaling| scaling.number("MaximumConcurrency", 2..=1_000))
            .transpose()?;
        let (batch_size, window) = batch(queue, properties)?;
        Ok(Mapping {
            function: function.name.clone(),
            queue: queue.name.clone(),
            batch_size,
            window: Duration::from_secs(window.into()),
            maximum_concurrency: maximum_concurrency.flatten(),
            report_batch_item_failures: reports_failures(properties)?,
            enabled: properties.boolean("Enabled")?.unwrap_or(true),
        })
    }

    fn queue(&self, arn: &Node) -> Result<&Queue, Problem> {
        let text = arn.text()?;
        let found = self
            .queues
            .iter()
            .find(|queue| self.scope.queue_arn(&queue.name) == text);
        found.ok_or_else(|| arn.invalid(format!("no queue of this template has the ARN {text}")))
    }

    /// By name or by ARN, as `CreateEventSourceMapping` takes it.
    fn function(&self, name: &Node) -> Result<&Function, Problem> {
        let text = name.text()?;
        let short = text.rsplit_once(":function:").map_or(text, |(_, short)| short);
        let found = self.functions.iter().find(|function| function.name == short);
        found.ok_or_else(|| name.invalid(format!("no function of this template has the name {text}")))
    }
}

/// Batch size and window in seconds, by the rules of Lambda's API Reference, `CreateEventSourceMapping`.
fn batch(queue: &Queue, properties: &Properties) -> Result<(u32, u32), Problem> {
    let largest = if queue.is_fifo() { 10 } else { 10_000 };
    let size = properties.number("BatchSize", 1..=largest)?.unwrap_or(10);
    let window = properties
        .number("MaximumBatchingWindowInSeconds", 0..=300)?
        .unwrap_or(0);
    if size > 10 && window == 0 {
        let at = properties.required("BatchSize")?;
        return Err(at.invalid("more than 10 needs a MaximumBatchingWindowInSeconds of at least 1"));
    }
    if window > 0 && queue.is_fifo() {
        let at = properties.required("MaximumBatchingWindowInSeconds")?;
        return Err(at.invalid("a FIFO queue has no batching window"));
    }
    Ok((size, window))
}

fn reports_failures(properties: &Properties) -> Result<bool, Problem> {
    let Some(types) = properties.get("FunctionResponseTypes") else {
        return Ok(false);
    };
    for kind in types.list()? {
        kind.one_of(&["ReportBatchItemFailures"])?;
    }
    Ok(!types.list()?.is_empty())
}

/// Lambda refuses a mapping whose messages could become visible while the function still works on them.
fn check_visibility(function: &Function, queue: &Queue, at: &Node) -> Result<(), Problem> {
    // SQS's own default, if the template names none.
    const DEFAULT: u64 = 30;
    let visibility = queue
        .attributes
        .get("VisibilityTimeout")
        .and_then(|text| text.parse().ok())
        .unwrap_or(DEFAULT);
    let timeout = function.timeout.as_secs();
    if visibility >= timeout {
        return Ok(());
    }
    Err(at.invalid(format!(
        "the queue's VisibilityTimeout, {visibility} s, is shorter than the function's Timeout, {timeout} s: make it six times as long"
    )))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{read, with_function};
    use super::*;

    fn event(properties: &str) -> String {
        with_function(&format!(
            "Timeout: 30\nEvents:\n  Jobs:\n    Type: SQS\n    Properties: {{{properties}}}"
        ))
    }

    fn mapping(properties: &str) -> Result<Mapping, String> {
        Ok(read(&event(&format!("Queue: !GetAtt Jobs.Arn, {properties}")))?
            .mappings
            .remove(0))
    }

    fn fifo(properties: &str) -> Result<Mapping, String> {
        let template = event(&format!("Queue: !GetAtt Jobs.Arn, {properties}"));
        let template = template.replace("QueueName: jobs", "QueueName: jobs.fifo\n      FifoQueue: true");
        Ok(read(&template)?.mappings.remove(0))
    }

    fn refusal(properties: &str) -> String {
        let message = mapping(properties).unwrap_err();
        message
            .split_once("Events.Jobs.Properties.")
            .expect("names the property")
            .1
            .to_owned()
    }

    #[test]
    fn an_absent_property_has_lambdas_default() {
        let expected = Mapping {
            function: "local-Work".to_owned(),
            queue: "jobs".to_owned(),
            batch_size: 10,
            window: Duration::ZERO,
            maximum_concurrency: None,
            report_batch_item_failures: false,
            enabled: true,
        };
        assert_eq!(mapping("").unwrap(), expected);
    }

    #[test]
    fn every_property_of_a_mapping_is_read() {
        let read = mapping(
            "BatchSize: 100, MaximumBatchingWindowInSeconds: 5, ScalingConfig: {MaximumConcurrency: 2}, \
             FunctionResponseTypes: [ReportBatchItemFailures], Enabled: false, KmsKeyArn: !ImportValue x",
        )
        .unwrap();
        assert_eq!(
            (read.batch_size, read.window.as_secs(), read.maximum_concurrency),
            (100, 5, Some(2))
        );
        assert_eq!((read.report_batch_item_failures, read.enabled), (true, false));
    }

    #[test]
    fn numbers_outside_of_lambdas_ranges_are_refused() {
        assert_eq!(
            refusal("BatchSize: 0"),
            "BatchSize: must be a whole number from 1 to 10000, not \"0\""
        );
        assert_eq!(
            refusal("BatchSize: 11"),
            "BatchSize: more than 10 needs a MaximumBatchingWindowInSeconds of at least 1"
        );
        assert!(refusal("MaximumBatchingWindowInSeconds: 301").contains("from 0 to 300"));
        assert!(refusal("ScalingConfig: {MaximumConcurrency: 1}").contains("from 2 to 1000"));
        assert!(
            refusal("FunctionResponseTypes: [ReportItemFailures]").contains("must be one of ReportBatchItemFailures")
        );
    }

    #[test]
    fn a_fifo_queue_has_small_batches_and_no_window() {
        assert_eq!(fifo("BatchSize: 10").unwrap().queue, "jobs.fifo");
        assert!(fifo("BatchSize: 11").unwrap_err().contains("from 1 to 10, not"));
        assert!(
            fifo("MaximumBatchingWindowInSeconds: 1")
                .unwrap_err()
                .ends_with("a FIFO queue has no batching window")
        );
    }

    #[test]
    fn a_visibility_timeout_shorter_than_the_timeout_is_refused() {
        let with = |visibility: &str| {
            read(&event("Queue: !GetAtt Jobs.Arn").replace("      VisibilityTimeout: 180\n", visibility))
        };
        let message = with("      VisibilityTimeout: 29\n").unwrap_err();
        assert!(
            message.contains("VisibilityTimeout, 29 s, is shorter than the function's Timeout, 30 s"),
            "{message}"
        );
        // SQS's default is 30 s.
        assert!(with("").is_ok());
    }

    #[test]
    fn filters_and_pollers_are_refused() {
        assert_eq!(refusal("FilterCriteria: {}"), format!("FilterCriteria: {}", FILTER.1));
        assert_eq!(
            refusal("ProvisionedPollerConfig: {}"),
            format!("ProvisionedPollerConfig: {}", POLLERS.1)
        );
    }

    #[test]
    fn an_event_other_than_sqs_is_refused() {
        let message = read(&event("").replace("Type: SQS", "Type: Schedule")).unwrap_err();
        assert!(
            message.ends_with("Events.Jobs.Type: the local stack triggers functions by SQS alone: remove the event")
        );
    }

    #[test]
    fn a_queue_outside_of_the_template_is_refused() {
        let message = read(&event("Queue: 'arn:aws:sqs:us-east-1:1:other'")).unwrap_err();
        assert!(
            message.ends_with("no queue of this template has the ARN arn:aws:sqs:us-east-1:1:other"),
            "{message}"
        );
        assert!(read(&event("BatchSize: 1")).unwrap_err().ends_with("Queue is missing"));
    }

    #[test]
    fn a_mapping_may_be_a_resource_of_its_own() {
        let resource = |function: &str| {
            format!(
                "{}  Map:\n    Type: AWS::Lambda::EventSourceMapping\n    Properties:\n      FunctionName: {function}\n      EventSourceArn: !GetAtt Jobs.Arn\n",
                with_function("")
            )
        };
        for function in ["!Ref Work", "!GetAtt Work.Arn"] {
            assert_eq!(read(&resource(function)).unwrap().mappings[0].function, "local-Work");
        }
        assert!(
            read(&resource("other"))
                .unwrap_err()
                .ends_with("no function of this template has the name other")
        );
    }
}
