//! The sample events.

use std::collections::BTreeMap;
use std::fs;

use crate::{TestStack, failures, workspace};

/// The sample events of a function, by the names of their files.
pub fn samples(function: &str) -> BTreeMap<String, Vec<u8>> {
    let directory = workspace().join("events").join(function);
    let files = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let read = |file: std::io::Result<fs::DirEntry>| {
        let file = file.unwrap();
        (
            file.file_name().to_string_lossy().into_owned(),
            fs::read(file.path()).unwrap(),
        )
    };
    files.map(read).collect()
}

/// The `NAMESPACE` in the source of a function's package, which states one.
pub fn namespace(package: &str) -> String {
    let source = workspace().join("functions").join(package).join("src");
    let files = fs::read_dir(&source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    let files = files.map(|file| file.unwrap().path()).filter(|path| path.is_file());
    let texts: Vec<_> = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    let stated: Vec<_> = lines
        .filter(|line| line.trim_start().starts_with("const NAMESPACE"))
        .collect();
    assert_eq!(stated.len(), 1, "{}: {stated:?}", source.display());
    stated[0].split('"').nth(1).unwrap().to_owned()
}

/// Asserts that these are the names of all sample events of a function.
#[track_caller]
pub fn assert_all_samples<'a>(function: &str, files: impl IntoIterator<Item = &'a str>) {
    let existing: Vec<_> = samples(function).into_keys().collect();
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort_unstable();
    assert_eq!(files, existing, "the sample events of {function}");
}

/// What became of the messages of a sample event.
#[derive(Debug, PartialEq, Eq)]
pub struct Sampled {
    /// The IDs that the function reports as failed.
    pub reported: Vec<String>,
    /// The IDs of its new dead letters.
    pub dead_lettered: Vec<String>,
}

impl TestStack {
    /// Invokes a function with one of its sample events, as `local invoke` does.
    pub async fn invoke_sample(&self, function: &str, file: &str) -> Sampled {
        let event = samples(function).remove(file);
        let event = event.unwrap_or_else(|| panic!("{function} has no sample event {file}"));
        let queue = self.queue_of(function);
        let before = self.dead_letters(queue).len();
        let reported = failures(&self.invoke_with(function, event).await);
        let dead_lettered = self.dead_letters(queue).split_off(before);
        Sampled {
            reported,
            dead_lettered,
        }
    }
}
