//! What the environment has to say.

use std::env;
use std::time::Duration;

/// A setting in the environment is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {variable} {problem}")]
pub struct SettingError {
    variable: &'static str,
    problem: String,
}

impl SettingError {
    /// The variable is there, but can't be used, because it `problem`, as in "is not an http or https URL".
    pub fn wrong(variable: &'static str, problem: impl Into<String>) -> Self {
        Self {
            variable,
            problem: problem.into(),
        }
    }
}

/// The value of an environment variable that may be set; an empty one is not set.
///
/// # Errors
///
/// [`SettingError`] if it is not Unicode.
pub fn optional_setting(variable: &'static str) -> Result<Option<String>, SettingError> {
    match env::var(variable) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(SettingError::wrong(variable, "is not Unicode")),
    }
}

/// The value of an environment variable that has to be set.
///
/// # Errors
///
/// [`SettingError`] if it is not set, is empty or is not Unicode.
pub fn setting(variable: &'static str) -> Result<String, SettingError> {
    match env::var(variable) {
        Ok(value) if value.is_empty() => Err(SettingError::wrong(variable, "is empty")),
        Ok(value) => Ok(value),
        Err(env::VarError::NotPresent) => Err(SettingError::wrong(variable, "is not set")),
        Err(env::VarError::NotUnicode(_)) => Err(SettingError::wrong(variable, "is not Unicode")),
    }
}

/// The value of an environment variable that may be set, and is a time in seconds.
///
/// # Errors
///
/// [`SettingError`] if it is no whole number.
pub(crate) fn seconds(variable: &'static str) -> Result<Option<Duration>, SettingError> {
    let seconds = optional_setting(variable)?.map(|value| value.parse().map(Duration::from_secs));
    seconds
        .transpose()
        .map_err(|_| SettingError::wrong(variable, "is not a whole number of seconds"))
}
