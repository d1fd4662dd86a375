//! The parameters of all stages, in `samconfig.toml`.

use std::fs;
use std::path::Path;

use toml_edit::{Array, DocumentMut, Item, Value};

use super::NewError;

const FILE: &str = "samconfig.toml";

/// The file with a value of this parameter for each stage, before the parameter `before`.
pub(super) fn with_url(root: &Path, parameter: &str, function: &str, before: &str) -> Result<String, NewError> {
    let path = root.join(FILE);
    let unusable = |why: String| NewError::Unusable {
        path: path.clone(),
        why,
    };
    let text = fs::read_to_string(&path).map_err(|error| unusable(format!("can't be read: {error}")))?;
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        let message = error.to_string();
        unusable(format!(
            "is not valid TOML: {}",
            message.lines().next().unwrap_or_default()
        ))
    })?;
    let mut stages = 0;
    for (stage, section) in document.iter_mut() {
        // By `as_table_like_mut`, because `Item::get_mut` adds what is not there.
        let mut path = ["deploy", "parameters", "parameter_overrides"].into_iter();
        let overrides = path.try_fold(section, |item, name| item.as_table_like_mut()?.get_mut(name));
        if let Some(overrides) = overrides.and_then(Item::as_array_mut) {
            insert(overrides, format!("{parameter}={}", url(function, &stage)), before);
            stages += 1;
        }
    }
    match stages {
        0 => Err(unusable(
            "has no stage with deploy.parameters.parameter_overrides".to_owned(),
        )),
        _ => Ok(document.to_string()),
    }
}

/// A URL that no one has: the author replaces it.
fn url(function: &str, stage: &str) -> String {
    match stage {
        "prod" => format!("https://{function}.example.com/"),
        stage => format!("https://{function}.{stage}.example.com/"),
    }
}

/// Inserts a line before the one of another parameter, whose comments stay with it.
fn insert(overrides: &mut Array, line: String, before: &str) {
    let names = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| text.split('=').next() == Some(before))
    };
    let at = overrides.iter().position(names).unwrap_or(overrides.len());
    let indentation = overrides.get(0).and_then(|first| first.decor().prefix()?.as_str());
    // Without the comments that the first line may have.
    let indentation = indentation
        .map_or("\n    ", |prefix| &prefix[prefix.rfind('\n').unwrap_or(0)..])
        .to_owned();
    let value = Value::from(line).decorated(indentation, "");
    overrides.insert_formatted(at, value);
}
