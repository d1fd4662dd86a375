//! The dashboard: what its searches find.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::Deployment;
use crate::alarms::text;

/// A `SEARCH` of CloudWatch in the form that the template uses:
/// `SEARCH('{namespace,dimension} MetricName="name" word NOT word', 'statistic', period)`
/// ([syntax](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html)).
#[derive(Debug)]
struct Search {
    namespace: String,
    dimension: String,
    metric: String,
    words: Vec<String>,
    without: Vec<String>,
    statistic: String,
}

impl Search {
    fn parse(expression: &str) -> Option<Self> {
        let (query, rest) = expression.strip_prefix("SEARCH('{")?.split_once("', '")?;
        let statistic = rest.strip_suffix("', 60)")?;
        let (schema, terms) = query.split_once("} ")?;
        let (namespace, dimension) = schema.split_once(',')?;
        let (metric, words) = terms.strip_prefix("MetricName=\"")?.split_once('"')?;
        let mut search = Self {
            namespace: namespace.to_owned(),
            dimension: dimension.to_owned(),
            metric: metric.to_owned(),
            words: Vec::new(),
            without: Vec::new(),
            statistic: statistic.to_owned(),
        };
        let mut words = words.split_whitespace();
        while let Some(word) = words.next() {
            match word {
                "NOT" => search.without.push(words.next()?.to_owned()),
                word => search.words.push(word.to_owned()),
            }
        }
        let all = search.words.iter().chain(&search.without);
        // Any other character has a meaning in a search, or needs quotes.
        all.flat_map(|word| word.chars())
            .all(|c| c.is_ascii_alphanumeric())
            .then_some(search)
    }

    /// Whether it finds the metric of a queue or function of this name. CloudWatch divides a name into words.
    fn finds(&self, name: &str) -> bool {
        let has = |word: &String| {
            name.split(|c: char| !c.is_ascii_alphanumeric())
                .any(|part| part == word)
        };
        self.words.iter().all(has) && !self.without.iter().any(has)
    }

    /// Whether it has these.
    fn is(&self, [namespace, metric, statistic]: [&str; 3]) -> bool {
        self.namespace == namespace && self.metric == metric && self.statistic == statistic
    }
}

fn widgets(deployment: &Deployment) -> Vec<Value> {
    let body = text(&deployment.resource("Dashboard").properties["DashboardBody"]);
    let body: Value = serde_json::from_str(body).unwrap();
    body["widgets"].as_array().unwrap().clone()
}

fn searches(deployment: &Deployment) -> Vec<Search> {
    let mut searches = Vec::new();
    for widget in widgets(deployment) {
        let properties = &widget["properties"];
        for shown in properties["metrics"].as_array().into_iter().flatten() {
            assert_eq!(properties["region"], "us-east-1");
            let expression = text(&shown[0]["expression"]);
            searches.push(Search::parse(expression).unwrap_or_else(|| panic!("not understood: {expression}")));
        }
    }
    searches
}

/// Namespace and name of each metric on the dashboard.
pub(crate) fn metrics(deployment: &Deployment) -> Vec<[String; 2]> {
    let searches = searches(deployment).into_iter();
    searches.map(|search| [search.namespace, search.metric]).collect()
}

const OF_FUNCTION: [[&str; 3]; 10] = [
    ["AWS/Lambda", "Duration", "p99"],
    ["SqsConsumer", "Done", "Sum"],
    ["SqsConsumer", "Duplicate", "Sum"],
    ["SqsConsumer", "Failed", "Sum"],
    ["SqsConsumer", "HandlerTime", "p99"],
    ["SqsConsumer", "InProgress", "Sum"],
    ["SqsConsumer", "LedgerTime", "p99"],
    ["SqsConsumer", "NotStarted", "Sum"],
    ["SqsConsumer", "OldestMessageAge", "Maximum"],
    ["SqsConsumer", "Rejected", "Sum"],
];

const OF_QUEUE: [[&str; 3]; 3] = [
    ["AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum"],
    ["AWS/SQS", "NumberOfMessagesDeleted", "Sum"],
    ["AWS/SQS", "NumberOfMessagesSent", "Sum"],
];

const OF_DEAD_LETTER_QUEUE: [[&str; 3]; 1] = [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum"]];

/// The metrics of a queue or function that the searches find.
fn found<'a>(searches: &'a [Search], dimension: &str, name: &str) -> BTreeSet<[&'a str; 3]> {
    let of_it = searches
        .iter()
        .filter(|search| search.dimension == dimension && search.finds(name));
    of_it
        .map(|search| [&*search.namespace, &*search.metric, &*search.statistic])
        .collect()
}

#[test]
fn dashboard_shows_all_metrics_of_its_stage_only() {
    let [deployment, other] = ["dev-", "prod-"].map(|prefix| Deployment::with("", &[("Prefix", prefix)]));
    let searches = searches(&deployment);
    let expected = OF_FUNCTION.iter().chain(&OF_QUEUE).chain(&OF_DEAD_LETTER_QUEUE);
    for metric in expected {
        assert_eq!(
            searches.iter().filter(|search| search.is(*metric)).count(),
            1,
            "{metric:?}"
        );
    }
    for mapping in &deployment.template.mappings {
        let dead_letters = deployment.dead_letter_queue(&mapping.queue);
        assert_eq!(
            found(&searches, "FunctionName", &mapping.function),
            BTreeSet::from(OF_FUNCTION)
        );
        assert_eq!(found(&searches, "QueueName", &mapping.queue), BTreeSet::from(OF_QUEUE));
        assert_eq!(
            found(&searches, "QueueName", &dead_letters),
            BTreeSet::from(OF_DEAD_LETTER_QUEUE)
        );
    }
    for mapping in &other.template.mappings {
        assert_eq!(found(&searches, "FunctionName", &mapping.function), BTreeSet::new());
        assert_eq!(found(&searches, "QueueName", &mapping.queue), BTreeSet::new());
    }
}

#[test]
fn dashboard_links_to_the_alarms_of_its_stage() {
    let deployment = Deployment::with("", &[("Prefix", "dev-")]);
    let first = &widgets(&deployment)[0]["properties"]["markdown"];
    let url = text(first)
        .strip_prefix("[Alarms](")
        .and_then(|rest| rest.strip_suffix(')'))
        .unwrap();
    assert!(
        url.ends_with("/cloudwatch/home?region=us-east-1#alarmsV2:?~(search~'dev-)"),
        "{url}"
    );
    for alarm in deployment.of_kind("AWS::CloudWatch::Alarm") {
        assert!(text(&alarm.properties["AlarmName"]).starts_with("dev-"));
    }
}
