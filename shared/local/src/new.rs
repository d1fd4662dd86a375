//! `local new`: a function to begin with.

mod code;
mod files;
mod name;
mod remove;
mod sample;
mod stages;
mod template;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use files::Changes;
use name::Names;
pub use remove::{RemoveError, Removed, remove_samples};

/// A function to write.
#[derive(Debug, Clone)]
pub struct NewFunction {
    /// Of the function, its folder, its package, its binary and its queue, such as `charge-card`.
    pub name: String,
    /// How its work is done once.
    pub mode: NewMode,
    /// Whether its queue is a FIFO queue.
    pub fifo: bool,
    /// Whether it calls a service by HTTP.
    pub http: bool,
    /// A table of its own, such as `charges`.
    pub table: Option<String>,
}

/// The mode of a new function, as `Mode` of the crate consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewMode {
    /// Claim the key, do the work, complete.
    Claim,
    /// Commit the writes in one transaction with the record.
    OneStep,
    /// No ledger: the work is idempotent by itself.
    Natural,
}

/// Why no function was written. Nothing is changed.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// A name can't be used, or options contradict each other.
    #[error("{0}")]
    Refused(String),
    /// A file of the project can't be read or edited.
    #[error("{}: {why}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// A file can't be written.
    #[error("{} can't be written; nothing is changed", .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        source: std::io::Error,
    },
    /// The sample functions can't be removed.
    #[error(transparent)]
    Samples(#[from] RemoveError),
}

/// What was written.
#[derive(Debug)]
pub struct Written {
    /// New files, and those that are changed, by their path in the project.
    pub files: Vec<PathBuf>,
    /// The name of the queue.
    pub queue: String,
    /// The parameter with the URL that the function calls.
    pub url_parameter: Option<String>,
}

impl NewFunction {
    /// Writes the function into the project in `root`: its package, its section of the template, the parameters of all stages,
    /// and a sample event.
    ///
    /// # Errors
    ///
    /// [`NewError`] names the reason and the way out. Either everything is written or nothing.
    pub fn write(&self, root: &Path) -> Result<Written, NewError> {
        self.check_options()?;
        let names = Names::of(self)?;
        files::refuse_interrupted(root)?;
        let project = template::Project::read(root)?;
        project.refuse_existing(&names)?;
        name::refuse_taken(root, &names)?;
        let text = text::Text::of(self, &names);
        let mut changes = Changes::of(root, &names.name);
        code::write(&text, &names, &mut changes);
        changes.create(
            format!("events/{}/valid.json", names.name),
            sample::event(&text, &names),
        );
        changes.replace("template.yaml", project.with(&text, &names)?);
        if let Some(parameter) = &names.url_parameter {
            let stages = stages::with_url(root, parameter, &names.name, project.before_url())?;
            changes.replace("samconfig.toml", stages);
        }
        let files = changes.apply(|staged| template::check(staged, &names))?;
        Ok(Written {
            files,
            queue: names.queue,
            url_parameter: names.url_parameter,
        })
    }

    /// Writes the function, and removes the sample functions, which it replaces.
    ///
    /// # Errors
    ///
    /// [`NewError`] names the reason and the way out. Either both is done or nothing.
    pub fn write_instead_of_samples(&self, root: &Path) -> Result<(Written, Removed), NewError> {
        remove::refuse_sample(&self.name)?;
        remove::check(root)?;
        let undo = files::Undo::of(root, &self.name)?;
        let written = self.write(root)?;
        match remove::after_check(root) {
            Ok(removed) => Ok((written, removed)),
            Err(error) => {
                undo.run()?;
                Err(error.into())
            }
        }
    }

    fn check_options(&self) -> Result<(), NewError> {
        let refuse = |why: &str| Err(NewError::Refused(why.to_owned()));
        match self.mode {
            NewMode::OneStep if self.http => refuse(
                "--mode one-step does not go with --http: in one step the handler runs at every delivery, and so would the call; \
                 use --mode claim",
            ),
            NewMode::Natural if self.table.is_some() => refuse(
                "--mode natural does not go with --table: natural mode commits no writes; use --mode one-step, or --mode claim if \
                 the handler has other effects as well",
            ),
            _ => Ok(()),
        }
    }

    /// Whether each tag of a line in a template holds.
    fn tags(&self) -> BTreeMap<&'static str, bool> {
        let table = self.table.is_some();
        BTreeMap::from([
            ("claim", self.mode == NewMode::Claim),
            ("one-step", self.mode == NewMode::OneStep),
            ("natural", self.mode == NewMode::Natural),
            ("fifo", self.fifo),
            ("http", self.http),
            ("table", table),
            ("fields", self.http || table),
        ])
    }
}

#[cfg(test)]
mod tests;
