//! The folder of both servers' files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::ServerError;

/// Removed when it is dropped, unless it is to be kept.
pub(super) struct Folder {
    path: PathBuf,
    is_kept: bool,
}

impl Folder {
    pub(super) fn open(kept: Option<&Path>) -> Result<Self, ServerError> {
        let scratch = || std::env::temp_dir().join(format!("on-premises-{}", uuid::Uuid::new_v4()));
        let path = kept.map_or_else(scratch, Path::to_owned);
        let is_new = !path.exists();
        let made = fs::create_dir_all(&path)
            .and_then(|()| path.canonicalize())
            // Another user runs PostgreSQL if this one is root. A folder that was there keeps its permissions.
            .and_then(|path| match is_new {
                true => fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map(|()| path),
                false => Ok(path),
            });
        match made {
            Err(why) => Err(ServerError::Folder { path, why }),
            Ok(path) => Ok(Self {
                path,
                is_kept: kept.is_some(),
            }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_kept {
            // What is left is in the folder for temporary files.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "all of this is tests")]

    use super::*;

    #[test]
    fn only_a_folder_that_was_named_is_kept() {
        let named = std::env::temp_dir().join(format!("kept-{}", uuid::Uuid::new_v4()));
        let scratch = Folder::open(None).unwrap();
        let path = scratch.path().to_owned();
        assert!(path.is_dir());
        drop(scratch);
        assert!(!path.exists());
        drop(Folder::open(Some(&named)).unwrap());
        assert!(named.is_dir());
        fs::remove_dir(named).unwrap();
    }
}
