//! Whether git could restore what is removed.

use std::path::Path;
use std::process::Command;

use super::RemoveError;

/// Refuses if one of these paths has changes that are not committed. Outside of a git checkout, nothing is checked.
pub(super) fn check<'a>(root: &Path, paths: impl Iterator<Item = &'a String>) -> Result<(), RemoveError> {
    let mut git = Command::new("git");
    git.args(["status", "--porcelain", "--no-renames", "--"])
        .args(paths)
        .current_dir(root);
    let Ok(done) = git.output() else { return Ok(()) };
    let changed = String::from_utf8_lossy(&done.stdout)
        .lines()
        .filter_map(|line| line.get(3..).map(str::to_owned))
        .collect::<Vec<_>>();
    match changed.is_empty() {
        true => Ok(()),
        false => Err(RemoveError::Uncommitted(changed)),
    }
}
