//! Files that are written together, or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::NewError;

/// New files and new texts of existing ones, by their paths in the project.
pub(super) struct Changes {
    root: PathBuf,
    /// Beside the files that are replaced, because only within a file system is a rename atomic.
    staging: PathBuf,
    /// The folders that the new files are in.
    folders: Vec<PathBuf>,
    created: Vec<(PathBuf, String)>,
    replaced: Vec<(PathBuf, String)>,
}

/// Begins the name of the staging folder in the project's root.
const STAGING: &str = ".new-";

/// Refuses to go on after a run that was killed.
pub(super) fn refuse_interrupted(root: &Path) -> Result<(), NewError> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let Some(left) = names.into_iter().find(|name| name.starts_with(STAGING)) else {
        return Ok(());
    };
    let function = left.trim_start_matches(STAGING);
    Err(NewError::Refused(format!(
        "an earlier run for {function} was interrupted: restore template.yaml and samconfig.toml (`git checkout template.yaml \
         samconfig.toml`), remove functions/{function} and events/{function} if they exist, and then {left}"
    )))
}

impl Changes {
    pub(super) fn of(root: &Path, function: &str) -> Self {
        Self {
            root: root.to_owned(),
            staging: root.join(format!("{STAGING}{function}")),
            folders: ["functions", "events"]
                .map(|folder| Path::new(folder).join(function))
                .to_vec(),
            created: Vec::new(),
            replaced: Vec::new(),
        }
    }

    pub(super) fn create(&mut self, path: String, text: String) {
        self.created.push((path.into(), text));
    }

    pub(super) fn replace(&mut self, path: &str, text: String) {
        self.replaced.push((path.into(), text));
    }

    /// Writes everything to a folder of its own, has it checked there, and moves it to its place. Returns the paths.
    pub(super) fn apply(self, check: impl FnOnce(&Path) -> Result<(), NewError>) -> Result<Vec<PathBuf>, NewError> {
        let done = self
            .stage()
            .and_then(|()| check(&self.staging))
            .and_then(|()| self.move_all());
        // What is left there is of no use. If it can't be removed, the next run says so.
        let _ = fs::remove_dir_all(&self.staging);
        done?;
        let paths = self.created.into_iter().chain(self.replaced);
        Ok(paths.map(|(path, _)| path).collect())
    }

    fn stage(&self) -> Result<(), NewError> {
        for (path, text) in self.created.iter().chain(&self.replaced) {
            let staged = self.staging.join(path);
            let folder = staged.parent().unwrap_or(&self.staging);
            let written = fs::create_dir_all(folder).and_then(|()| fs::write(&staged, text));
            written.map_err(|source| unwritable(&self.root.join(path), source))?;
        }
        self.format();
        Ok(())
    }

    /// Formats the code: the length of names decides where lines break. Without rustfmt, `cargo fmt` does it later.
    fn format(&self) {
        let is_code = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "rs");
        let code = self.created.iter().map(|(path, _)| path).filter(is_code);
        let mut rustfmt = Command::new("rustfmt");
        rustfmt.args(["--edition", "2024", "--config-path"]).arg(&self.root);
        rustfmt.args(code.map(|path| self.staging.join(path)));
        let _ = rustfmt.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }

    /// Undoes everything if one thing fails.
    fn move_all(&self) -> Result<(), NewError> {
        let mut before = Vec::new();
        for (path, _) in &self.replaced {
            let text = fs::read(self.root.join(path)).map_err(|source| unwritable(&self.root.join(path), source))?;
            before.push((path, text));
        }
        let replaced = self.replaced.iter().map(|(path, _)| path);
        let mut moved = Vec::new();
        for path in self.folders.iter().chain(replaced) {
            let to = self.root.join(path);
            if let Err(source) = fs::rename(self.staging.join(path), &to) {
                for folder in self.folders.iter().filter(|folder| moved.contains(folder)) {
                    let _ = fs::remove_dir_all(self.root.join(folder));
                }
                for (path, text) in before.iter().filter(|(path, _)| moved.contains(path)) {
                    let _ = fs::write(self.root.join(path), text);
                }
                return Err(unwritable(&to, source));
            }
            moved.push(path);
        }
        Ok(())
    }
}

fn unwritable(path: &Path, source: io::Error) -> NewError {
    NewError::Unwritable {
        path: path.to_owned(),
        source,
    }
}
