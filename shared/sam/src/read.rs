//! From a file to a [`Template`]: each step needs what the one before it found.

use std::{cell::Cell, collections::BTreeMap, fs, path::Path};

use super::{
    TemplateError, conditions,
    declared::{Declared, Kind},
    error::Problem,
    function, globals,
    mapping::Known,
    model::{Function, Mapping, Queue, Settings, Table, Template},
    node::Node,
    parameters,
    properties::unknown,
    queue, redrive, resources,
    scope::Scope,
    table, transform, yaml,
};

impl Template {
    /// Reads and resolves the template at `path`.
    ///
    /// # Errors
    /// [`TemplateError`] if the file can't be read, isn't YAML, is something that AWS would refuse, or needs something that
    /// the local stack doesn't support. A template is never read in part.
    pub fn read(path: &Path, settings: &Settings) -> Result<Self, TemplateError> {
        in_file(path, |source| resolve(source, settings))
    }
}

/// What `read` makes of the file's text; its problems are about this file.
pub(super) fn in_file<T>(path: &Path, read: impl FnOnce(&str) -> Result<T, Problem>) -> Result<T, TemplateError> {
    let source = fs::read_to_string(path).map_err(|source| TemplateError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    read(&source).map_err(|problem| problem.in_file(path.to_owned()))
}

pub(crate) fn resolve(source: &str, settings: &Settings) -> Result<Template, Problem> {
    with_scope(source, settings, create)
}

/// Hands on the parsed text, all that can be referred to in it, and the resources to create.
pub(super) fn with_scope<T>(
    source: &str,
    settings: &Settings,
    read: impl FnOnce(&Node, &Scope<'_>, &[Declared<'_>]) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let written = yaml::parse(source)?;
    check_sections(&written)?;
    let mut scope = Scope {
        settings,
        parameters: parameters::read(&written, settings)?,
        mappings: written.get("Mappings"),
        conditions: BTreeMap::new(),
        resources: BTreeMap::new(),
        made: Cell::new(0),
    };
    let root = transform::language_extensions(&written, &scope)?;
    check_counts(&root)?;
    scope.conditions = conditions::read(&root, &scope)?;
    let mut declared = resources::declare(&root, &mut scope)?;
    for function in declared.iter_mut().filter(|resource| resource.kind == Kind::Function) {
        transform::check_sam(&root, function.node)?;
        function.properties = globals::over(&root, &scope, &function.properties)?;
    }
    resources::name(&mut declared, &mut scope)?;
    read(&root, &scope, &declared)
}

fn create(root: &Node, scope: &Scope<'_>, declared: &[Declared<'_>]) -> Result<Template, Problem> {
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
        urls: parameters::urls(root, scope.settings)?,
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

/// `Outputs` and `Metadata` aren't read: nothing on one machine needs them.
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
    let other = root.map()?.iter().find(|(name, _)| !KNOWN.contains(&name.as_str()));
    other.map_or(Ok(()), |(name, section)| {
        Err(section.unsupported(unknown(&format!("the section {name}"), name, KNOWN)))
    })
}

/// CloudFormation's
/// [quotas](https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html).
fn check_counts(root: &Node) -> Result<(), Problem> {
    for (section, most) in [("Parameters", 200), ("Mappings", 200), ("Resources", 500)] {
        let Some(node) = root.get(section) else {
            continue;
        };
        let count = node.map()?.len();
        if count > most {
            return Err(node.invalid(format!("CloudFormation accepts at most {most} of them, not {count}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn more_than_cloudformation_accepts_is_refused() {
        let of = |section: &str, count: usize, entry: &str| {
            let entries: String = (0..count).map(|number| format!("  E{number}: {entry}\n")).collect();
            testing::read(&format!("{section}:\n{entries}"))
        };
        let queue = "{Type: AWS::SQS::Queue}";
        assert_eq!(of("Resources", 500, queue).unwrap().queues.len(), 500);
        assert_eq!(
            of("Resources", 501, queue).unwrap_err(),
            "t.yaml:1: Resources: CloudFormation accepts at most 500 of them, not 501"
        );
        let parameters = of("Parameters", 201, "{Type: String, Default: a}").unwrap_err();
        assert!(parameters.ends_with("at most 200 of them, not 201"), "{parameters}");
    }

    #[test]
    fn globals_that_very_many_functions_share_are_refused() {
        let globals = format!("Globals: {{Function: {{Tags: [{}]}}}}\n", "a,".repeat(200_000));
        let function = "{Type: AWS::Serverless::Function, Properties: {Runtime: provided.al2023, CodeUri: a}}";
        let functions: String = (0..400).map(|number| format!("  F{number}: {function}\n")).collect();
        let source = format!("Transform: AWS::Serverless-2016-10-31\n{globals}Resources:\n{functions}");
        let why = testing::read(&source).unwrap_err();
        assert!(why.ends_with("functions make more than 33554432 bytes"), "{why}");
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
