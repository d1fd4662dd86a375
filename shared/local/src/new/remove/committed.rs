//! Whether git could restore what is removed.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use super::RemoveError;

/// Refuses if one of these paths has something that is not committed, also if git ignores it. Without git, or outside of a
/// checkout, nothing is checked.
pub(super) fn check<'a>(root: &Path, paths: impl Iterator<Item = &'a str>) -> Result<(), RemoveError> {
    let mut git = Command::new("git");
    git.args(["status", "--porcelain", "-z", "--no-renames"])
        .args(["--untracked-files=all", "--ignored", "--"])
        .args(paths)
        .env("LC_ALL", "C") // What it prints on errors is read below.
        .current_dir(root);
    let done = match git.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        done => done.map_err(|error| RemoveError::Git(error.to_string()))?,
    };
    if !done.status.success() {
        let why = String::from_utf8_lossy(&done.stderr);
        return match why.contains("not a git repository") {
            true => Ok(()),
            false => Err(RemoveError::Git(why.trim().to_owned())),
        };
    }
    let changed = String::from_utf8_lossy(&done.stdout)
        .split('\0')
        .filter_map(|entry| entry.get(3..).map(str::to_owned))
        .collect::<Vec<_>>();
    match changed.is_empty() {
        true => Ok(()),
        false => Err(RemoveError::Uncommitted(changed)),
    }
}
