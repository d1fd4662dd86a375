//! Removes and replaces files, all or none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{LOCK, RemoveError};

/// Where what is removed lies until everything is done: in the workspace, so that moving a folder is one step.
pub(super) const FOLDER: &str = ".removing";

/// A change that is under way. Dropped, it restores what it had changed.
pub(super) struct Swap {
    root: PathBuf,
    /// What was moved into the folder, by its path in the workspace.
    moved: Vec<String>,
    is_done: bool,
}

impl Swap {
    /// Creates the folder.
    pub(super) fn begin(root: &Path) -> Result<Self, RemoveError> {
        let folder = root.join(FOLDER);
        match fs::create_dir(&folder) {
            Ok(()) => Ok(Self {
                root: root.to_owned(),
                moved: Vec::new(),
                is_done: false,
            }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(RemoveError::Interrupted(folder)),
            Err(error) => Err(RemoveError::File(folder, error)),
        }
    }

    /// Removes the paths and replaces the texts. `last` runs after that; if it fails, everything is restored.
    pub(super) fn commit(
        mut self,
        paths: &[String],
        texts: &[(String, String)],
        last: impl FnOnce(&Path) -> Result<(), RemoveError>,
    ) -> Result<(), RemoveError> {
        for path in paths {
            self.set_aside(path)?;
        }
        for (path, text) in texts {
            self.set_aside(path)?;
            self.write(path, text.as_bytes())?;
        }
        // A copy, because cargo edits the file that is there.
        if self.root.join(LOCK).exists() {
            self.set_aside(LOCK)?;
            let copy = fs::read(self.aside(LOCK)).map_err(|error| RemoveError::File(self.aside(LOCK), error))?;
            self.write(LOCK, &copy)?;
        }
        last(&self.root)?;
        self.is_done = true;
        Ok(())
    }

    fn aside(&self, path: &str) -> PathBuf {
        self.root.join(FOLDER).join("before").join(path)
    }

    fn set_aside(&mut self, path: &str) -> Result<(), RemoveError> {
        let (from, to) = (self.root.join(path), self.aside(path));
        let folder = to.parent().unwrap_or(&to);
        let moved = fs::create_dir_all(folder).and_then(|()| fs::rename(&from, &to));
        moved.map_err(|error| RemoveError::File(from, error))?;
        self.moved.push(path.to_owned());
        Ok(())
    }

    /// Writes a file that was set aside, with its permissions.
    fn write(&self, path: &str, text: &[u8]) -> Result<(), RemoveError> {
        let (to, before) = (self.root.join(path), self.aside(path));
        let permissions = fs::metadata(before).map(|file| file.permissions());
        let written = fs::write(&to, text).and_then(|()| fs::set_permissions(&to, permissions?));
        written.map_err(|error| RemoveError::File(to, error))
    }
}

impl Drop for Swap {
    /// Restores what was moved unless everything is done, and removes the folder unless something could not be restored: then
    /// it is there.
    fn drop(&mut self) {
        let mut is_restored = true;
        if !self.is_done {
            for path in self.moved.iter().rev() {
                let to = self.root.join(path);
                let _ = fs::remove_file(&to);
                is_restored &= fs::rename(self.aside(path), to).is_ok();
            }
        }
        if is_restored {
            let _ = fs::remove_dir_all(self.root.join(FOLDER));
        }
    }
}
