//! The log in a file, for a process whose standard output is not collected.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use host::{SettingError, optional_setting};
use telemetry::Traces;

use crate::supervisor;

const SETTING: &str = "LOG_FILE";

const NOT_SET: u8 = 3;
const RELATIVE: u8 = 4;
const UNWRITABLE: u8 = 5;

/// The size at which a file is replaced. With its predecessor, the log takes twice as much of the disk.
const LARGEST: u64 = 16 << 20;

/// Starts log and traces: on standard output, or in the file that the environment names.
///
/// # Errors
///
/// The setting is wrong. The exit code states why, because no log does.
pub(crate) fn start_logging() -> Result<Traces, (u8, SettingError)> {
    let wrong = |code, problem: String| (code, SettingError::wrong(SETTING, problem));
    let Some(path) = optional_setting(SETTING).map_err(|error| (UNWRITABLE, error))? else {
        return match supervisor::is_service() {
            true => Err(wrong(
                NOT_SET,
                "is not set, and a service has no standard output".to_owned(),
            )),
            false => Ok(telemetry::start_logging()),
        };
    };
    // A service starts in a folder of the system.
    if !Path::new(&path).is_absolute() {
        return Err(wrong(RELATIVE, format!("is not an absolute path, but {path:?}")));
    }
    let file = LogFile::open(path.clone().into(), LARGEST);
    let file = Mutex::new(
        file.map_err(|error| wrong(UNWRITABLE, format!("names {path:?}, which can't be written: {error}")))?,
    );
    Ok(telemetry::start_logging_to(move |line| {
        file.lock().unwrap_or_else(PoisonError::into_inner).write(line);
    }))
}

/// A file that is renamed to `NAME.1` when it is full.
struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    largest: u64,
    /// Lines that could not be written, since the last one that could.
    lost: u64,
}

impl LogFile {
    fn open(path: PathBuf, largest: u64) -> io::Result<Self> {
        let file = File::options().append(true).create(true).open(&path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            path,
            file,
            size,
            largest,
            lost: 0,
        })
    }

    /// Writes a line. One that can't be written is lost: logging must not fail. The next one that can states how many are.
    fn write(&mut self, mut line: String) {
        line.push('\n');
        if self.lost > 0 {
            let lost = format!("{} lines of the log could not be written before this one", self.lost);
            line = format!("{}\n{line}", serde_json::json!({"level": "WARN", "message": lost}));
        }
        if self.size >= self.largest {
            self.replace();
        }
        match self.file.write_all(line.as_bytes()) {
            Ok(()) => self.lost = 0,
            Err(_) => self.lost = self.lost.saturating_add(1),
        }
        self.size = self.size.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
    }

    /// Begins a new file. If another process holds one of them, the old one goes on, up to the same size once more.
    fn replace(&mut self) {
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        self.size = 0;
        if fs::rename(&self.path, &old).is_err() {
            return;
        }
        match Self::open(self.path.clone(), self.largest) {
            Ok(new) => *self = Self { lost: self.lost, ..new },
            // The old one again.
            Err(_) => drop(fs::rename(&old, &self.path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of this test, empty, and the path of a log in it.
    fn folder(name: &str) -> (PathBuf, PathBuf) {
        let folder = std::env::temp_dir().join(format!("log-file-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let path = folder.join("worker.log");
        (folder, path)
    }

    fn write(file: &mut LogFile, lines: std::ops::Range<u32>) {
        lines.for_each(|line| file.write(format!("line {line}")));
    }

    #[test]
    fn full_file_is_kept_once_beside_its_successor() {
        let (folder, path) = folder("full");
        let mut file = LogFile::open(path.clone(), 14).unwrap();
        write(&mut file, 0..5);
        drop(file);
        // The size of a file that exists counts.
        write(&mut LogFile::open(path.clone(), 14).unwrap(), 5..7);
        let old = fs::read_to_string(folder.join("worker.log.1")).unwrap();
        assert_eq!(
            (old.as_str(), fs::read_to_string(&path).unwrap().as_str()),
            ("line 4\nline 5\n", "line 6\n")
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn file_that_can_not_be_renamed_goes_on() {
        let (folder, path) = folder("held");
        // A folder that is not empty has the name.
        fs::create_dir_all(folder.join("worker.log.1/other")).unwrap();
        write(&mut LogFile::open(path.clone(), 14).unwrap(), 0..5);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 5);
        fs::remove_dir_all(folder).unwrap();
    }
}
