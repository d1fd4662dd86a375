//! The folder that keeps the tables from one start of the stack to the next.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use emulator::dynamodb::DynamoDb;

/// The folder can't keep the tables.
#[derive(Debug, thiserror::Error)]
#[error("tables can't be kept in {}: {why}", directory.display())]
pub struct DataError {
    directory: PathBuf,
    why: String,
}

/// Held while a stack uses a folder: two stacks on the same tables would each have a part of their requests.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "open, it holds the lock")] File);

/// The tables that a folder keeps, which is created if it doesn't exist.
pub(crate) fn open(directory: &Path, region: &str) -> Result<(DynamoDb, Lock), DataError> {
    let failed = |why: String| DataError {
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
    Ok((tables.map_err(|error| failed(error.to_string()))?, Lock(lock)))
}
