//! From a file to a [`Template`]: each step needs what the one before it found.

use std::{collections::BTreeMap, fs, path::Path};

use super::{
    TemplateError, conditions,
    error::Problem,
    function, globals,
    mapping::Known,
    model::{Function, Mapping, Queue, Settings, Table, Template},
    node::Node,
    parameters, queue, redrive,
    resources::{self, Declared, Kind},
    scope::Scope,
    table, yaml,
};

impl Template {
    /// Reads and resolves the template at `path`.
    ///
    /// # Errors
    /// [`TemplateError`] if the file can't be read, isn't YAML, is something that AWS would refuse, or asks for something that
    /// the local stack can't honour. A template is never honoured in part.
    pub fn read(path: &Path, settings: &Settings) -> Result<Self, TemplateError> {
        let source = fs::read_to_string(path).map_err(|source| TemplateError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        resolve(&source, settings).map_err(|problem| problem.in_file(path.to_owned()))
    }
}

pub(crate) fn resolve(source: &str, settings: &Settings) -> Result<Template, Problem> {
    let root = yaml::parse(source)?;
    check_sections(&root)?;
    let mut scope = Scope {
        settings,
        parameters: parameters::read(&root, settings)?,
        mappings: root.get("Mappings"),
        conditions: BTreeMap::new(),
        resources: BTreeMap::new(),
    };
    scope.conditions = conditions::read(&root, &scope)?;
    let mut declared = resources::declare(&root, &mut scope)?;
    for function in declared.iter_mut().filter(|resource| resource.kind == Kind::Function) {
        check_transform(&root, function)?;
        function.properties = globals::over(&root, &function.properties)?;
    }
    resources::name(&mut declared, &mut scope)?;
    create(&scope, &declared)
}

fn create(scope: &Scope<'_>, declared: &[Declared<'_>]) -> Result<Template, Problem> {
    let queues = queues(scope, declared)?;
    let tables = tables(scope, declared)?;
    let read = functions(scope, declared)?;
    let functions: Vec<Function> = read.iter().map(|read| read.function.clone()).collect();
    let known = Known {
        scope,
        functions: &functions,
        queues: &queues,
    };
    let mut mappings: Vec<Mapping> = Vec::new();
    for read in &read {
        if let Some(events) = &read.events {
            mappings.extend(known.events(&read.function, events)?);
        }
    }
    for resource in of_kind(declared, Kind::Mapping) {
        mappings.push(known.resource(resource)?);
    }
    Ok(Template {
        queues,
        tables,
        functions,
        mappings,
    })
}

fn queues(scope: &Scope<'_>, declared: &[Declared<'_>]) -> Result<Vec<Queue>, Problem> {
    let read = of_kind(declared, Kind::Queue).map(|resource| queue::read(scope, resource));
    redrive::dead_letters_first(scope, read.collect::<Result<_, _>>()?)
}

fn tables(scope: &Scope<'_>, declared: &[Declared<'_>]) -> Result<Vec<Table>, Problem> {
    of_kind(declared, Kind::Table)
        .map(|resource| table::read(scope, resource))
        .collect()
}

fn functions(scope: &Scope<'_>, declared: &[Declared<'_>]) -> Result<Vec<function::Read>, Problem> {
    of_kind(declared, Kind::Function)
        .map(|resource| function::read(scope, resource))
        .collect()
}

fn of_kind<'a, 'b>(declared: &'a [Declared<'b>], kind: Kind) -> impl Iterator<Item = &'a Declared<'b>> {
    declared.iter().filter(move |resource| resource.kind == kind)
}

/// `Outputs` and `Metadata` aren't read: nothing on one machine asks for them.
fn check_sections(root: &Node) -> Result<(), Problem> {
    const KNOWN: [&str; 10] = [
        "AWSTemplateFormatVersion",
        "Conditions",
        "Description",
        "Globals",
        "Mappings",
        "Metadata",
        "Outputs",
        "Parameters",
        "Resources",
        "Transform",
    ];
    let unknown = root.map()?.iter().find(|(name, _)| !KNOWN.contains(&name.as_str()));
    unknown.map_or(Ok(()), |(name, section)| {
        Err(section.unsupported(format!("the local stack can't honour the section {name}: remove it")))
    })
}

/// Without its transform, CloudFormation doesn't know SAM's resources.
fn check_transform(root: &Node, function: &Declared<'_>) -> Result<(), Problem> {
    const SAM: &str = "AWS::Serverless-2016-10-31";
    let missing = || {
        function
            .node
            .invalid(format!("AWS::Serverless::Function needs Transform: {SAM} at the top"))
    };
    let transform = root.get("Transform").ok_or_else(missing)?;
    let stated = match transform.texts() {
        Ok(transforms) => transforms,
        Err(_) => vec![transform.text()?],
    };
    if let Some(other) = stated
        .iter()
        .find(|name| ![SAM, "AWS::LanguageExtensions"].contains(name))
    {
        return Err(transform.unsupported(format!("the local stack can't run the transform {other}: remove it")));
    }
    if stated.contains(&SAM) { Ok(()) } else { Err(missing()) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, with_function};
    use super::*;

    fn repository(file: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)
    }

    fn real(overrides: &[(&str, &str)]) -> Result<Template, TemplateError> {
        let mut settings = Settings::default();
        let all = [("NotificationUrl", "http://127.0.0.1:9/notify")]
            .iter()
            .chain(overrides);
        settings.parameters = all
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Template::read(&repository("template.yaml"), &settings)
    }

    fn attributes(queue: &Queue) -> Vec<String> {
        queue
            .attributes
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    #[test]
    fn the_real_template_has_its_queues_and_tables() {
        let template = real(&[]).unwrap();
        let queues: Vec<_> = template.queues.iter().map(|queue| queue.name.as_str()).collect();
        let expected = [
            "orders-dlq",
            "notifications-dlq",
            "reservations-dlq.fifo",
            "orders",
            "notifications",
            "reservations.fifo",
        ];
        assert_eq!(queues, expected);
        assert_eq!(attributes(&template.queues[0]), ["MessageRetentionPeriod=1209600"]);
        let redrive = r#"RedrivePolicy={"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:orders-dlq","maxReceiveCount":5}"#;
        assert_eq!(attributes(&template.queues[3]), [redrive, "VisibilityTimeout=180"]);
        let tables: Vec<_> = template
            .tables
            .iter()
            .map(|table| (table.name.as_str(), table.time_to_live.as_deref()))
            .collect();
        assert_eq!(
            tables,
            [
                ("orders", None),
                ("customers", None),
                ("stock", None),
                ("idempotency", Some("expiration"))
            ]
        );
    }

    #[test]
    fn the_real_template_has_its_functions() {
        let template = real(&[]).unwrap();
        let place_order = &template.functions[0];
        assert_eq!(
            (place_order.name.as_str(), place_order.binary.as_str()),
            ("place-order", "place-order")
        );
        assert_eq!((place_order.timeout.as_secs(), place_order.memory_mb), (30, 256));
        let variables: Vec<_> = place_order
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let expected = [
            "AWS_LAMBDA_LOG_FORMAT=JSON",
            "AWS_LAMBDA_LOG_LEVEL=INFO",
            "CUSTOMERS_TABLE=customers",
            "IDEMPOTENCY_TABLE=idempotency",
            "ORDERS_TABLE=orders",
        ];
        assert_eq!(variables, expected);
        let send_notification = &template.functions[1];
        assert_eq!(send_notification.binary, "send-notification");
        assert_eq!(send_notification.environment["IDEMPOTENCY_TABLE"], "idempotency");
        assert_eq!(
            send_notification.environment["NOTIFICATION_URL"],
            "http://127.0.0.1:9/notify"
        );
    }

    #[test]
    fn every_mapping_of_the_real_template_reports_item_failures() {
        let template = real(&[]).unwrap();
        let pairs: Vec<_> = template
            .mappings
            .iter()
            .map(|map| (map.function.as_str(), map.queue.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [
                ("place-order", "orders"),
                ("send-notification", "notifications"),
                ("reserve-stock", "reservations.fifo")
            ]
        );
        assert!(
            template
                .mappings
                .iter()
                .all(|mapping| mapping.report_batch_item_failures && mapping.enabled)
        );
    }

    #[test]
    fn the_real_template_hides_a_message_for_six_times_the_timeout() {
        let template = real(&[]).unwrap();
        for mapping in &template.mappings {
            let queue = template
                .queues
                .iter()
                .find(|queue| queue.name == mapping.queue)
                .unwrap();
            let function = template
                .functions
                .iter()
                .find(|function| function.name == mapping.function)
                .unwrap();
            let visibility: u64 = queue.attributes["VisibilityTimeout"].parse().unwrap();
            assert!(visibility >= 6 * function.timeout.as_secs() + mapping.window.as_secs());
        }
    }

    #[test]
    fn the_real_template_runs_on_seconds_and_under_another_prefix() {
        let template = real(&[("FunctionTimeout", "1"), ("VisibilityTimeout", "6"), ("Prefix", "dev-")]).unwrap();
        assert_eq!(template.functions[0].timeout.as_secs(), 1);
        assert_eq!(template.queues[3].attributes["VisibilityTimeout"], "6");
        assert_eq!(template.functions[0].environment["ORDERS_TABLE"], "dev-orders");
        assert_eq!(template.mappings[0].queue, "dev-orders");
    }

    #[test]
    fn the_real_template_asks_for_a_notification_url() {
        let message = Template::read(&repository("template.yaml"), &Settings::default())
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("Parameters.NotificationUrl: the parameter has no value and no Default"),
            "{message}"
        );
    }

    #[test]
    fn sam_may_run_beside_the_language_extensions_but_no_macro() {
        let with = |transform: &str| {
            let source = with_function("").replace("AWS::Serverless-2016-10-31", transform);
            testing::read(&source)
        };
        assert!(with("[AWS::LanguageExtensions, AWS::Serverless-2016-10-31]").is_ok());
        let message = with("[Rename, AWS::Serverless-2016-10-31]").unwrap_err();
        assert_eq!(
            message,
            "t.yaml:1: Transform: the local stack can't run the transform Rename: remove it"
        );
        assert!(
            with("[AWS::LanguageExtensions]")
                .unwrap_err()
                .contains("needs Transform: AWS::Serverless-2016-10-31")
        );
    }

    #[test]
    fn a_missing_file_says_how_to_name_another() {
        let error = Template::read(Path::new("nowhere.yaml"), &Settings::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "nowhere.yaml: can't read the template; name another one with --template FILE"
        );
    }
}
