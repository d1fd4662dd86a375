//! The sample events.

use std::collections::BTreeMap;
use std::fs;

use crate::workspace;

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
