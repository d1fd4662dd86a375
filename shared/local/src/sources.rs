//! The functions' sources: when they change, and what comes of building them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use crate::build::{self, BuildError, Workspace};

/// How often the files are looked at. Looking, and not being notified, works on every file system; a thousand files take a few
/// milliseconds.
const PAUSE: Duration = Duration::from_millis(500);

/// The Rust sources and manifests of a workspace.
pub struct Sources {
    workspace: PathBuf,
    /// The workspace's own manifest and lock file.
    manifests: [PathBuf; 2],
    packages: Vec<PathBuf>,
    /// Cargo's target directory, which is not looked into.
    target: PathBuf,
    seen: Files,
}

/// When each file was modified.
type Files = BTreeMap<PathBuf, SystemTime>;

impl Sources {
    /// Those of the workspace that a template lies in, as they are now.
    ///
    /// # Errors
    ///
    /// [`BuildError::NoWorkspace`], [`BuildError::NoCargo`].
    pub async fn of(template: &Path) -> Result<Self, BuildError> {
        let workspace = build::workspace_of(template).to_owned();
        let found = Workspace::at(&workspace).await?;
        let mut sources = Self {
            manifests: ["Cargo.toml", "Cargo.lock"].map(|name| found.workspace_root.join(name)),
            packages: found.directories(),
            target: found.target_directory,
            workspace,
            seen: Files::new(),
        };
        sources.seen = sources.files().await;
        Ok(sources)
    }

    /// Waits until a file was changed, added or removed, and then until no more are.
    pub async fn changed(&mut self) {
        let mut changed = false;
        loop {
            sleep(PAUSE).await;
            let files = self.files().await;
            let same = files == self.seen;
            self.seen = files;
            if changed && same {
                return;
            }
            changed |= !same;
        }
    }

    /// The lock file as it is now is no change: cargo has written it, in a build.
    pub fn accept_lock_file(&mut self) {
        let [_, lock_file] = &self.manifests;
        if let Ok(modified) = lock_file.metadata().and_then(|metadata| metadata.modified()) {
            self.seen.insert(lock_file.clone(), modified);
        }
    }

    /// Builds these binaries, as [`build`](build::build) does.
    ///
    /// # Errors
    ///
    /// [`BuildError`]; the messages of cargo and the compiler are on standard error by then.
    pub async fn build(&self, binaries: &[String]) -> Result<(), BuildError> {
        build::build(&self.workspace, binaries).await.map(|_paths| ())
    }

    async fn files(&self) -> Files {
        let (manifests, packages, target) = (self.manifests.clone(), self.packages.clone(), self.target.clone());
        let look = move || {
            let modified = |path: PathBuf| Some((path.clone(), path.metadata().ok()?.modified().ok()?));
            let mut files: Files = manifests.into_iter().filter_map(modified).collect();
            packages
                .iter()
                .for_each(|directory| add(directory, &target, &mut files));
            files
        };
        // It can't fail: it does not panic, and is not aborted.
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }
}

/// Adds the files of a directory and those below it. What can't be read has just been removed.
fn add(directory: &Path, target: &Path, files: &mut Files) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        let hidden = name.as_encoded_bytes().starts_with(b".");
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if metadata.is_dir() && !hidden && path != target {
            add(&path, target, files);
        } else if is_source(&path)
            && let Ok(modified) = metadata.modified()
        {
            files.insert(path, modified);
        }
    }
}

fn is_source(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("rs" | "toml" | "lock"))
}
