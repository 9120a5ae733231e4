//! A real file for each file of the simulated disk: litemigrate looks at some without
//! SQLite, at a header or at whether a journal is there, and puts its guard beside them.
//!
//! Owns the folder. Nothing that SQLite reads comes from it.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::io::Result;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The folder of this process, if any of its cases needs one.
pub fn folder() -> PathBuf {
    // In memory, where there is such a place: it is filled thousands of times.
    let memory = Path::new("/dev/shm");
    let base = match memory.is_dir() {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    };
    base.join(format!("litemigrate-simulation-{}", std::process::id()))
}

#[derive(Debug)]
pub struct Mirror {
    folder: PathBuf,
    files: BTreeMap<usize, File>,
    changes: u64,
}

impl Mirror {
    /// An empty folder.
    pub fn new(folder: &Path) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            files: BTreeMap::new(),
            changes: 0,
        })
    }

    pub fn create(&mut self, name: &str, file: usize) -> Result<()> {
        let made = File::create(self.folder.join(name))?;
        self.files.insert(file, made);
        self.stamp(file)
    }

    pub fn remove(&mut self, name: &str) -> Result<()> {
        fs::remove_file(self.folder.join(name))
    }

    pub fn write(&mut self, file: usize, offset: usize, data: &[u8]) -> Result<()> {
        match self.files.get(&file) {
            Some(found) => found.write_all_at(data, offset as u64)?,
            None => return Ok(()),
        }
        self.stamp(file)
    }

    pub fn truncate(&mut self, file: usize, size: usize) -> Result<()> {
        match self.files.get(&file) {
            Some(found) => found.set_len(size as u64)?,
            None => return Ok(()),
        }
        self.stamp(file)
    }

    /// Long ago, so that nobody waits until a further change must show, and each time later.
    fn stamp(&mut self, file: usize) -> Result<()> {
        self.changes += 1;
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(self.changes);
        self.files[&file].set_times(FileTimes::new().set_modified(time))
    }
}
