//! The folder that a store lives in: on disk for good, or temporary; never shared by two processes.
//!
//! Owns the lock and, for a temporary folder, its removal. Everything that holds a connection holds the [`Folder`] too, so neither
//! ends while a file in it is in use.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::{Error, Result};

const LOCK: &str = "orchestrator.lock";
const DATABASE: &str = "orchestrator.db";

/// Where temporary folders go if the system has it: memory that looks like a disk.
const MEMORY: &str = "/dev/shm";

/// A folder that is ours alone.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
    /// Removes the folder when dropped.
    temporary: Option<TempDir>,
}

impl Folder {
    /// Takes this folder, and makes it if need be.
    ///
    /// # Errors
    /// [`Error::Failed`] if another store uses it, or if it cannot be made or written.
    pub(crate) fn lasting(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(|error| failed("cannot make", path, &error))?;
        Ok(Self { path: path.to_owned(), _lock: lock(path)?, temporary: None })
    }

    /// Makes a private folder that ends with the store.
    ///
    /// # Errors
    /// [`Error::Failed`] if it cannot be made.
    pub(crate) fn temporary() -> Result<Self> {
        let memory = Path::new(MEMORY);
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let directory = TempDir::with_prefix_in("orchestrator-", &parent)
            .map_err(|error| failed("cannot make a folder in", &parent, &error))?;
        let path = directory.path().to_owned();
        Ok(Self { _lock: lock(&path)?, path, temporary: Some(directory) })
    }

    /// Whether what is written must survive the process.
    pub(crate) fn is_lasting(&self) -> bool {
        self.temporary.is_none()
    }

    /// The file of the database.
    pub(crate) fn database(&self) -> PathBuf {
        database(&self.path)
    }
}

/// The file of the database in a folder.
pub(crate) fn database(folder: &Path) -> PathBuf {
    folder.join(DATABASE)
}

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| failed("cannot open", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::Failed(format!("another orchestrator uses the folder {}", folder.display())))
        }
        Err(TryLockError::Error(error)) => Err(failed("cannot lock", &path, &error)),
    }
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::Failed(format!("{what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_is_private_and_ends_with_its_owner() {
        let folders = [Folder::temporary().unwrap(), Folder::temporary().unwrap()];
        let paths = folders.each_ref().map(|folder| folder.path.clone());
        assert_ne!(paths[0], paths[1]);
        assert!(paths.iter().all(|path| path.join(LOCK).exists()));
        drop(folders);
        assert!(!paths.iter().any(|path| path.exists()));
    }

    #[test]
    fn a_lasting_folder_is_made_with_its_parents_and_stays() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("not/yet/there");
        drop(Folder::lasting(&path).unwrap());
        assert!(path.join(LOCK).exists());
    }
}
