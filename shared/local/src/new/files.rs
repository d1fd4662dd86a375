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
    function: String,
    /// The folders that the new files are in.
    folders: Vec<PathBuf>,
    created: Vec<(PathBuf, String)>,
    replaced: Vec<(PathBuf, String)>,
}

/// Begins the name of the staging folder in the project's root.
const STAGING: &str = ".new-";

/// In the staging folder, the replaced files as they were. It is there once it is complete, and before the first is replaced.
const BEFORE: &str = "before";

/// Refuses to go on after a run that was killed.
pub(super) fn refuse_interrupted(root: &Path) -> Result<(), NewError> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let Some(left) = names.into_iter().find(|name| name.starts_with(STAGING)) else {
        return Ok(());
    };
    Err(interrupted(left.trim_start_matches(STAGING)))
}

fn interrupted(function: &str) -> NewError {
    let left = format!("{STAGING}{function}");
    NewError::Refused(format!(
        "a run for {function} was interrupted: if there is {left}/{BEFORE}, move the files in it back to the project; remove \
         functions/{function} and events/{function} if they exist, and then {left}"
    ))
}

impl Changes {
    pub(super) fn of(root: &Path, function: &str) -> Self {
        Self {
            root: root.to_owned(),
            staging: root.join(format!("{STAGING}{function}")),
            function: function.to_owned(),
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
        let staged = self.stage().and_then(|()| check(&self.staging));
        let done = staged.and_then(|()| self.keep_before()).map(|()| self.move_all());
        if let Ok(Err(Failed { is_undone: false, .. })) = done {
            // The staging folder stays: what could not be restored is there.
            return Err(interrupted(&self.function));
        }
        // What is left there is of no use. If it can't be removed, the next run says so.
        let _ = fs::remove_dir_all(&self.staging);
        done?.map_err(|failed| unwritable(&failed.path, failed.source))?;
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
        for (path, _) in &self.replaced {
            let permissions = fs::metadata(self.root.join(path)).map(|file| file.permissions());
            let set = permissions.and_then(|permissions| fs::set_permissions(self.staging.join(path), permissions));
            set.map_err(|source| unwritable(&self.root.join(path), source))?;
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

    /// Copies the files that are replaced, with their permissions.
    fn keep_before(&self) -> Result<(), NewError> {
        let copies = self.staging.join("copies");
        for (path, _) in &self.replaced {
            let copied = fs::create_dir_all(&copies).and_then(|()| fs::copy(self.root.join(path), copies.join(path)));
            copied.map_err(|source| unwritable(&self.root.join(path), source))?;
        }
        let before = self.staging.join(BEFORE);
        fs::rename(&copies, &before).map_err(|source| unwritable(&before, source))
    }

    /// Undoes everything if one thing fails.
    fn move_all(&self) -> Result<(), Failed> {
        let replaced = self.replaced.iter().map(|(path, _)| path);
        let mut moved = Vec::new();
        for path in self.folders.iter().chain(replaced) {
            let to = self.root.join(path);
            if let Err(source) = fs::rename(self.staging.join(path), &to) {
                let is_undone = moved
                    .into_iter()
                    .fold(true, |is_undone, path| is_undone & self.undo(path));
                return Err(Failed {
                    path: to,
                    source,
                    is_undone,
                });
            }
            moved.push(path);
        }
        Ok(())
    }

    fn undo(&self, path: &PathBuf) -> bool {
        let to = self.root.join(path);
        let undone = match self.folders.contains(path) {
            true => fs::remove_dir_all(to),
            false => fs::rename(self.staging.join(BEFORE).join(path), to),
        };
        undone.is_ok()
    }
}

/// Why a file was not moved to its place.
struct Failed {
    path: PathBuf,
    source: io::Error,
    is_undone: bool,
}

/// What a function's files replace, to take the function back.
pub(super) struct Undo {
    root: PathBuf,
    function: String,
    texts: Vec<(&'static str, Vec<u8>)>,
}

impl Undo {
    pub(super) fn of(root: &Path, function: &str) -> Result<Self, NewError> {
        let read = |path: &'static str| {
            let text = fs::read(root.join(path));
            let text = text.map_err(|error| NewError::Unusable {
                path: root.join(path),
                why: format!("can't be read: {error}"),
            });
            Ok((path, text?))
        };
        Ok(Self {
            root: root.to_owned(),
            function: function.to_owned(),
            texts: ["template.yaml", "samconfig.toml"]
                .into_iter()
                .map(read)
                .collect::<Result<_, NewError>>()?,
        })
    }

    pub(super) fn run(self) -> Result<(), NewError> {
        let function = self.function;
        let restored = self
            .texts
            .iter()
            .map(|(path, text)| fs::write(self.root.join(path), text));
        let removed = ["functions", "events"].map(|folder| fs::remove_dir_all(self.root.join(folder).join(&function)));
        match restored.chain(removed).collect::<Result<Vec<_>, _>>() {
            Ok(_) => Ok(()),
            Err(error) => Err(NewError::Refused(format!(
                "the samples can't be removed, nor can {function} be taken back ({error}): remove functions/{function}, \
                 events/{function} and what template.yaml and samconfig.toml have of it"
            ))),
        }
    }
}

fn unwritable(path: &Path, source: io::Error) -> NewError {
    NewError::Unwritable {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use uuid::Uuid;

    use super::*;

    fn project() -> (PathBuf, Changes) {
        let root = std::env::temp_dir().join(Uuid::new_v4().to_string());
        for folder in ["functions", "events"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let mut changes = Changes::of(&root, "own");
        changes.create("functions/own/a".to_owned(), String::new());
        changes.create("events/own/b".to_owned(), String::new());
        for path in ["template.yaml", "samconfig.toml"] {
            fs::write(root.join(path), "before").unwrap();
            fs::set_permissions(root.join(path), fs::Permissions::from_mode(0o600)).unwrap();
            changes.replace(path, "after".to_owned());
        }
        (root, changes)
    }

    #[track_caller]
    fn assert_texts(root: &Path, text: &str) {
        for path in ["template.yaml", "samconfig.toml"] {
            assert_eq!(fs::read_to_string(root.join(path)).unwrap(), text, "{path}");
            let mode = fs::metadata(root.join(path)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{path}");
        }
    }

    #[test]
    fn replaced_files_keep_their_permissions() {
        let (root, changes) = project();
        changes.apply(|_| Ok(())).unwrap();
        assert_texts(&root, "after");
        assert!(root.join("functions/own/a").exists() && !root.join(".new-own").exists());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn failure_at_the_last_file_restores_the_others() {
        let (root, changes) = project();
        let refused = changes.apply(|staged| {
            // A folder does not replace a file.
            fs::remove_file(staged.join("samconfig.toml")).unwrap();
            fs::create_dir(staged.join("samconfig.toml")).unwrap();
            Ok(())
        });
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.ends_with("samconfig.toml can't be written; nothing is changed"),
            "{refused}"
        );
        assert_texts(&root, "before");
        for path in ["functions/own", "events/own", ".new-own"] {
            assert!(!root.join(path).exists(), "{path}");
        }
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_is_replaced_is_kept_until_all_is_done() {
        let (root, changes) = project();
        changes.stage().unwrap();
        changes.keep_before().unwrap();
        changes.move_all().map_err(|failed| failed.source).unwrap();
        for path in ["template.yaml", "samconfig.toml"] {
            assert_eq!(
                fs::read_to_string(root.join(".new-own/before").join(path)).unwrap(),
                "before"
            );
        }
        let refused = refuse_interrupted(&root).unwrap_err().to_string();
        assert!(refused.contains(".new-own/before"), "{refused}");
        fs::remove_dir_all(root).unwrap();
    }
}
