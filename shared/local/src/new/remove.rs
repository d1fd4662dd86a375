//! Removes the sample functions from a workspace that has functions of its own.

mod committed;
mod manifest;
mod swap;
mod template;
mod texts;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use sam::{Settings, TemplateError};
use swap::Swap;

use super::NewError;

/// The sample functions.
const FUNCTIONS: [&str; 3] = ["place-order", "reserve-stock", "send-notification"];

/// What exists for the sample functions alone, beside `functions/NAME` and `events/NAME` of each.
const PATHS: [&str; 14] = [
    ".ci/chaos",
    ".ci/clients",
    ".ci/hosts",
    ".ci/load",
    ".ci/pages",
    ".ci/soak",
    ".ci/windows",
    ".ci/workers",
    "tests/chaos",
    "tests/demo",
    "tests/events/samples.rs",
    "tests/hosts",
    "tests/pipeline.rs",
    "tests/workers",
];

/// Texts of which a part goes: what is between lines with the markers, and on a page the rows of tables that name a sample
/// function or one of the paths.
const TEXTS: [&str; 12] = [
    ".ci/run",
    ".ci/servers",
    "README.md",
    "events/README.md",
    "functions/README.md",
    "shared/local/README.md",
    "shared/local/src/new/remove/tests.rs",
    "shared/push/README.md",
    "shared/worker/README.md",
    "tests/Cargo.toml",
    "tests/README.md",
    "tests/events/main.rs",
];

const TEMPLATE: &str = "template.yaml";
const STAGES: &str = "samconfig.toml";
const MANIFEST: &str = "Cargo.toml";
const LOCK: &str = "Cargo.lock";

/// Why the sample functions are still there. Nothing has changed, unless the variant states otherwise.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// The template has none of them.
    #[error("template.yaml has no sample function ({}): nothing is left to remove", FUNCTIONS.join(", "))]
    NoSamples,
    /// A workspace without functions builds nothing, and its tests of functions show nothing.
    #[error(
        "template.yaml has no function but the samples, and a workspace without functions can't be built: create one first, \
         or at the same time with `new NAME --mode MODE --remove-samples`"
    )]
    NoFunctionLeft,
    /// Files and changes that git could not restore.
    #[error("{} would be removed or edited, but is not committed: commit it, or move it away first", .0.join(", "))]
    Uncommitted(Vec<String>),
    /// Git does not tell what is committed.
    #[error("git can't tell whether everything is committed: {0}")]
    Git(String),
    /// An earlier run was interrupted.
    #[error(
        "{} is left from a run that was interrupted: move what is in its folder `before` back to the workspace, then delete it",
        .0.display()
    )]
    Interrupted(PathBuf),
    /// A text is not written in the form in which this project's texts are written.
    #[error("{file}: {problem}; remove the samples by hand there, or restore its form")]
    Form {
        /// The file.
        file: String,
        /// What was looked for.
        problem: String,
    },
    /// Something that stays refers to the samples, such as a function that sends to a sample's queue.
    #[error("without the samples, template.yaml would be refused: remove what refers to them first")]
    StillUsed(#[source] Box<TemplateError>),
    /// A file can't be read or changed.
    #[error("{} can't be read or changed", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// Cargo refuses the workspace without them.
    #[error("without the samples, cargo would refuse the workspace: {0}")]
    Cargo(String),
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The functions.
    pub functions: Vec<String>,
    /// Files and folders, by their paths in the workspace.
    pub paths: Vec<String>,
    /// Parameters of the template that only they used.
    pub parameters: Vec<String>,
    /// Files of which a part was removed.
    pub texts: Vec<String>,
}

/// Removes the sample functions, and what exists for them alone, from the workspace in this folder: crates, sample events,
/// sections of the template, parameters, tests and parts of pages.
///
/// Either all of it is removed or nothing. In a git checkout, everything that is removed or edited must be committed.
///
/// # Errors
///
/// [`RemoveError`] states what is in the way. The workspace is as it was.
pub fn remove_samples(root: &Path) -> Result<Removed, RemoveError> {
    let swap = Swap::begin(root)?;
    let samples = Samples::read(root)?;
    samples.refuse_last()?;
    samples.refuse_uncommitted(root)?;
    samples.remove(swap)
}

/// Refuses a function that would go with the samples.
pub(super) fn refuse_sample(name: &str) -> Result<(), NewError> {
    match FUNCTIONS.contains(&name) {
        true => Err(NewError::Refused(format!(
            "{name} is the name of a sample function: choose another name"
        ))),
        false => Ok(()),
    }
}

/// Refuses what would not be removed, before a function is written that takes the samples' place.
pub(super) fn check(root: &Path) -> Result<(), RemoveError> {
    let _swap = Swap::begin(root)?; // Dropped, it removes its folder.
    Samples::read(root)?.refuse_uncommitted(root)
}

/// Removes the samples after [`check`]: what is not committed since is the new function.
pub(super) fn after_check(root: &Path) -> Result<Removed, RemoveError> {
    let swap = Swap::begin(root)?;
    Samples::read(root)?.remove(swap)
}

/// What goes.
struct Samples {
    removed: Removed,
    /// The texts that change, by path.
    texts: Vec<(String, String)>,
    /// Whether there is no other function.
    is_all: bool,
}

impl Samples {
    fn read(root: &Path) -> Result<Self, RemoveError> {
        let template = read(root, TEMPLATE)?;
        let (present, others): (Vec<_>, Vec<_>) = template::functions(&template)
            .into_iter()
            .partition(|function| FUNCTIONS.contains(&function.as_str()));
        if present.is_empty() {
            return Err(RemoveError::NoSamples);
        }
        let (parameters, texts) = texts(root, &template, &present)?;
        if !others.is_empty() {
            let without = texts.iter().find(|(path, _)| path == TEMPLATE);
            check_template(root, without.map_or(&template, |(_, text)| text))?;
        }
        let removed = Removed {
            functions: present,
            paths: paths().into_iter().filter(|path| root.join(path).exists()).collect(),
            parameters,
            texts: texts.iter().map(|(path, _)| path.clone()).collect(),
        };
        Ok(Self {
            removed,
            texts,
            is_all: others.is_empty(),
        })
    }

    fn refuse_last(&self) -> Result<(), RemoveError> {
        match self.is_all {
            true => Err(RemoveError::NoFunctionLeft),
            false => Ok(()),
        }
    }

    fn refuse_uncommitted(&self, root: &Path) -> Result<(), RemoveError> {
        let paths = self.removed.paths.iter().chain(&self.removed.texts);
        committed::check(root, paths.map(String::as_str))
    }

    fn remove(self, swap: Swap) -> Result<Removed, RemoveError> {
        swap.commit(&self.removed.paths, &self.texts, lock)?;
        Ok(self.removed)
    }
}

/// All paths that go, in order.
fn paths() -> Vec<String> {
    let of_functions = FUNCTIONS
        .iter()
        .flat_map(|name| ["functions", "events"].map(|folder| format!("{folder}/{name}")));
    let paths: BTreeSet<_> = of_functions.chain(PATHS.map(str::to_owned)).collect();
    paths.into_iter().collect()
}

/// The parameters that nothing uses any more, and each text that changes.
#[expect(clippy::type_complexity, reason = "names, and paths with their texts")]
fn texts(
    root: &Path,
    template: &str,
    functions: &[String],
) -> Result<(Vec<String>, Vec<(String, String)>), RemoveError> {
    let form = |file: &str| {
        let file = file.to_owned();
        move |problem| RemoveError::Form { file, problem }
    };
    let (without, parameters) = template::without(template, functions).map_err(form(TEMPLATE))?;
    let stages = template::without_values(&read(root, STAGES)?, &parameters);
    let manifest = manifest::without_members(&read(root, MANIFEST)?, &paths());
    let mut texts = vec![(TEMPLATE, without), (STAGES, stages), (MANIFEST, manifest)];
    for path in TEXTS.iter().filter(|path| root.join(path).exists()) {
        let text = read(root, path)?;
        let rest = texts::without_samples(path, &text, &FUNCTIONS, &paths()).map_err(form(path))?;
        texts.push((path, rest));
    }
    let mut changed = Vec::new();
    for (path, text) in texts {
        if read(root, path)? != text {
            changed.push((path.to_owned(), text));
        }
    }
    Ok((parameters, changed))
}

/// Reads the template as the local stack does.
fn check_template(root: &Path, template: &str) -> Result<(), RemoveError> {
    let path = root.join(swap::FOLDER).join(TEMPLATE);
    fs::write(&path, template).map_err(|error| RemoveError::File(path.clone(), error))?;
    let settings = Settings {
        urls: Some("http://127.0.0.1".to_owned()),
        ..Settings::default()
    };
    let read = sam::Template::read(&path, &settings);
    read.map(drop).map_err(|error| RemoveError::StillUsed(Box::new(error)))
}

/// Has cargo remove what nothing uses any more from the lock file.
fn lock(root: &Path) -> Result<(), RemoveError> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["metadata", "--offline", "--format-version", "1"])
        .current_dir(root);
    let done = cargo.output().map_err(|error| RemoveError::Cargo(error.to_string()))?;
    match done.status.success() {
        true => Ok(()),
        false => Err(RemoveError::Cargo(
            String::from_utf8_lossy(&done.stderr).trim().to_owned(),
        )),
    }
}

fn read(root: &Path, path: &str) -> Result<String, RemoveError> {
    let path = root.join(path);
    fs::read_to_string(&path).map_err(|error| RemoveError::File(path, error))
}

#[cfg(test)]
mod tests;
