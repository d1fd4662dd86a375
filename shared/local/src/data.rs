//! The folder that keeps tables and queues from one start of the stack to the next.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use emulator::dynamodb::DynamoDb;
use emulator::sqs::Sqs;

/// The folder can't keep tables or queues.
#[derive(Debug, thiserror::Error)]
#[error("{what} can't be kept in {}: {why}", directory.display())]
pub struct DataError {
    what: &'static str,
    directory: PathBuf,
    why: String,
}

/// A folder that this stack alone uses: two stacks on the same tables would each have a part of their requests.
#[derive(Debug)]
pub(crate) struct Folder {
    directory: PathBuf,
    /// Open, it holds the lock.
    _lock: File,
}

/// The messages, written when the stack stops.
const QUEUES: &str = "queues.json";

impl Folder {
    /// The folder, which is created if it doesn't exist, and its tables.
    pub(crate) fn open(directory: &Path, region: &str) -> Result<(DynamoDb, Self), DataError> {
        let failed = |why: String| DataError {
            what: "tables",
            directory: directory.to_owned(),
            why,
        };
        fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;
        let lock = File::create(directory.join("lock")).map_err(|error| failed(error.to_string()))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => failed("another stack uses it".to_owned()),
            TryLockError::Error(error) => failed(error.to_string()),
        })?;
        let tables = DynamoDb::in_file(region, &directory.join("dynamodb.sqlite"));
        let tables = tables.map_err(|error| failed(error.to_string()))?;
        let directory = directory.to_owned();
        Ok((tables, Self { directory, _lock: lock }))
    }

    /// Puts the kept messages into the queues, which exist by now. Returns the names of queues with messages that
    /// don't: those messages stay in the folder.
    pub(crate) fn restore_queues(&self, sqs: &Sqs) -> Result<Vec<String>, DataError> {
        let saved = match fs::read_to_string(self.directory.join(QUEUES)) {
            Ok(saved) => saved,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed(&error)),
        };
        let restored = sqs.restore(&saved);
        restored.map_err(|error| self.failed(&format!("{QUEUES}: {error}; without this file, queues are empty")))
    }

    /// Writes all messages, at once or not at all.
    pub(crate) fn keep_queues(&self, sqs: &Sqs) -> Result<(), DataError> {
        let (file, draft) = (self.directory.join(QUEUES), self.directory.join("queues.draft"));
        let saved = sqs.save().map_err(|error| self.failed(&error))?;
        let written = fs::write(&draft, saved).and_then(|()| fs::rename(&draft, &file));
        written.map_err(|error| self.failed(&error))
    }

    fn failed(&self, why: &dyn std::fmt::Display) -> DataError {
        DataError {
            what: "queues",
            directory: self.directory.clone(),
            why: why.to_string(),
        }
    }
}
