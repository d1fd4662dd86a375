//! The function in `template.yaml`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sam::{Settings, Template};
use yaml_edit::{Document, Mapping};

use super::NewError;
use super::name::Names;
use super::text::Text;

const FILE: &str = "template.yaml";

/// The comment before the loops, which follow the sections of the functions.
const BEFORE_LOOPS: &str = "  # Standard queues, each with";

/// The template of a project, and the names in it.
pub(super) struct Project {
    path: PathBuf,
    text: String,
    template: Template,
    logical_ids: BTreeSet<String>,
    parameters: Vec<String>,
}

fn settings() -> Settings {
    Settings {
        urls: Some("http://127.0.0.1".to_owned()),
        ..Settings::default()
    }
}

impl Project {
    pub(super) fn read(root: &Path) -> Result<Self, NewError> {
        let path = root.join(FILE);
        let refused = |error: sam::TemplateError| NewError::Refused(format!("{error}; nothing is changed"));
        let text = fs::read_to_string(&path).map_err(|_| {
            NewError::Refused(format!(
                "there is no {FILE} in {}: run the command in the project's folder",
                root.display()
            ))
        })?;
        let template = Template::read(&path, &settings()).map_err(refused)?;
        let resources = Template::resources(&path, &settings()).map_err(refused)?;
        let parameters = Template::section(&path, &settings(), "Parameters").map_err(refused)?;
        Ok(Self {
            path,
            text,
            template,
            logical_ids: resources.into_iter().map(|resource| resource.logical_id).collect(),
            parameters: parameters.into_iter().map(|(name, _)| name).collect(),
        })
    }

    /// Refuses names that something in the template has.
    pub(super) fn refuse_existing(&self, names: &Names) -> Result<(), NewError> {
        let template = &self.template;
        let exists = |what: &str, name: &str| {
            Err(NewError::Refused(format!(
                "{FILE} already has {what} {name}: choose another name"
            )))
        };
        if template.functions.iter().any(|function| function.name == names.name) {
            return exists("a function", &names.name);
        }
        let stem = |queue: &str| queue.trim_end_matches(".fifo").to_owned();
        let own = [names.name.clone(), format!("{}-dlq", names.name)];
        if let Some(queue) = template.queues.iter().find(|queue| own.contains(&stem(&queue.name))) {
            return exists("a queue", &queue.name);
        }
        let mut own = names.logical_ids();
        if let Some(table) = &names.table {
            if template.tables.iter().any(|existing| existing.name == table.name) {
                return Err(NewError::Refused(format!(
                    "{FILE} already has a table {}: choose another name, or leave --table out and give the function what it needs \
                     of that table, as the section of another function does",
                    table.name
                )));
            }
            own.push(table.logical_id.clone());
        }
        if let Some(taken) = own.iter().find(|id| self.logical_ids.contains(*id)) {
            return exists("a resource", taken);
        }
        match &names.url_parameter {
            Some(parameter) if self.parameters.contains(parameter) => exists("a parameter", parameter),
            _ => Ok(()),
        }
    }

    /// The parameter that a new one is before: the first that is neither the prefix nor a URL.
    pub(super) fn before_url(&self) -> &str {
        let other = |name: &&String| *name != "Prefix" && !name.ends_with("Url");
        self.parameters.iter().find(other).map_or("", String::as_str)
    }

    /// The template with a function.
    pub(super) fn with(&self, text: &Text, names: &Names) -> Result<String, NewError> {
        let unusable = |why: String| NewError::Unusable {
            path: self.path.clone(),
            why: format!(
                "{why}; add the function as functions/README.md describes it, or restore the file's structure"
            ),
        };
        let document = Document::from_str(&self.text).map_err(|error| unusable(error.to_string()))?;
        let list = if names.is_fifo { "Fifo" } else { "Standard" };
        let queues = mapping(&document, &["Mappings", "Queues"]);
        let kind = mapping(&document, &["Mappings", "Kinds", list]).and_then(|kind| kind.get_sequence("Queues"));
        let (Some(queues), Some(kind)) = (queues, kind) else {
            return Err(unusable(format!(
                "has no Mappings.Kinds.{list}.Queues, or no Mappings.Queues"
            )));
        };
        kind.push(names.handler.as_str());
        let entry = Document::from_str(&text.fill(include_str!("templates/entry.yaml.txt")));
        let entry = entry
            .ok()
            .and_then(|entry| entry.as_mapping()?.get(names.handler.as_str()));
        let entry = entry.ok_or_else(|| unusable("can't take an entry of Mappings.Queues".to_owned()))?;
        queues.set(names.handler.as_str(), entry);
        let mut edited = document.to_string();
        // With their comments, which values of YAML don't have.
        let section = text.fill(include_str!("templates/section.yaml.txt"));
        insert_before(&mut edited, BEFORE_LOOPS, &section).map_err(&unusable)?;
        if names.url_parameter.is_some() {
            let parameter = text.fill(include_str!("templates/parameter.yaml.txt"));
            insert_before(&mut edited, &format!("  {}:", self.before_url()), &parameter).map_err(&unusable)?;
        }
        Ok(edited)
    }
}

/// Checks a staged template: it has the function, with its queue and table.
pub(super) fn check(staged: &Path, names: &Names) -> Result<(), NewError> {
    let template = Template::read(&staged.join(FILE), &settings());
    let template = template.map_err(|error| NewError::Refused(format!("the new template would be wrong: {error}")))?;
    let mut mappings = template.mappings.iter();
    let is_mapped = mappings.any(|mapping| mapping.function == names.name && mapping.queue == names.queue);
    let table = names.table.as_ref().map(|table| &table.name);
    let has_table = table.is_none_or(|name| template.tables.iter().any(|table| table.name == *name));
    match is_mapped && has_table {
        true => Ok(()),
        false => Err(NewError::Refused(format!(
            "the new template would not map the queue {} to {}; nothing is changed",
            names.queue, names.name
        ))),
    }
}

fn mapping(document: &Document, path: &[&str]) -> Option<Mapping> {
    let root = document.as_mapping()?;
    path.iter().try_fold(root, |mapping, name| mapping.get_mapping(*name))
}

/// Inserts text before the first line that begins like this, and before the comment directly above that line.
fn insert_before(text: &mut String, line: &str, inserted: &str) -> Result<(), String> {
    let found = text
        .find(&format!("\n{line}"))
        .ok_or_else(|| format!("has no line {line:?}"))?;
    let mut at = found + 1;
    while let Some(previous) = text[..at].trim_end_matches('\n').rfind('\n') {
        let is_adjacent = text[..at].ends_with('\n') && !text[..at].ends_with("\n\n");
        if !is_adjacent || !text[previous + 1..at].trim_start().starts_with('#') {
            break;
        }
        at = previous + 1;
    }
    text.insert_str(at, inserted);
    Ok(())
}
