//! Why a template can't be read.

use std::{io, path::PathBuf};

/// Why a template can't be read; each is one line that names the file, the place and the way out.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file doesn't exist or can't be read.
    #[error("{}: can't read the template; name another one with --template FILE", path.display())]
    Unreadable {
        /// The template.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// The file isn't YAML as CloudFormation reads it.
    #[error("{}:{line}:{column}: not valid YAML: {reason}", path.display())]
    Syntax {
        /// The template.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// An override names no parameter of the template.
    #[error("{}: there is no parameter {name}; {advice}", path.display())]
    UnknownParameter {
        /// The template.
        path: PathBuf,
        /// The override's name.
        name: String,
        /// What it may have meant, or else the parameters that the template has.
        advice: String,
    },
    /// AWS would refuse this, too.
    #[error("{}:{line}: {place}: {reason}", path.display())]
    Invalid {
        /// The template.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// The path to the value, such as `Resources.OrdersQueue.Properties.VisibilityTimeout`.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// AWS may accept this, but the local stack doesn't support it.
    #[error("{}:{line}: {place}: {reason}", path.display())]
    Unsupported {
        /// The template.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// The path to the value.
        place: String,
        /// What the local stack can't do, and what can be done about it.
        reason: String,
    },
}

/// A [`TemplateError`] before it is known which file it is about.
#[derive(Debug)]
pub(crate) enum Problem {
    Syntax { line: usize, column: usize, reason: String },
    UnknownParameter { name: String, advice: String },
    Invalid { line: usize, place: String, reason: String },
    Unsupported { line: usize, place: String, reason: String },
}

impl Problem {
    /// Where it is, from 1; `None` if it is not in the file.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn line(&self) -> Option<usize> {
        match self {
            Self::Syntax { line, .. } | Self::Invalid { line, .. } | Self::Unsupported { line, .. } => Some(*line),
            Self::UnknownParameter { .. } => None,
        }
    }

    pub(crate) fn in_file(self, path: PathBuf) -> TemplateError {
        match self {
            Self::Syntax { line, column, reason } => TemplateError::Syntax {
                path,
                line,
                column,
                reason,
            },
            Self::UnknownParameter { name, advice } => TemplateError::UnknownParameter { path, name, advice },
            Self::Invalid { line, place, reason } => TemplateError::Invalid {
                path,
                line,
                place,
                reason,
            },
            Self::Unsupported { line, place, reason } => TemplateError::Unsupported {
                path,
                line,
                place,
                reason,
            },
        }
    }
}
