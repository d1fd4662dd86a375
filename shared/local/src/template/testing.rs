//! Small templates for tests.

use super::{Settings, Template, read::resolve};

/// Reads a template given as text; an error as the user would read it, about `t.yaml`.
pub(crate) fn read(source: &str) -> Result<Template, String> {
    read_with(source, &[])
}

/// As [`read`], with overrides of parameters.
pub(crate) fn read_with(source: &str, overrides: &[(&str, &str)]) -> Result<Template, String> {
    let parameters = overrides
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let settings = Settings {
        parameters,
        ..Settings::default()
    };
    resolve(source, &settings).map_err(|problem| problem.in_file("t.yaml".into()).to_string())
}
