//! The way to a file, step by step, in directories that are held open.
//!
//! Owns whose links root follows. Makes nothing.

use super::discovery::name_of;
use super::place::same_file;
use super::{directory_of, open_without_waiting};
use crate::diagnostics::text::shown;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// As many links as Linux follows on the way to a file.
pub(super) const MOST_LINKS: usize = 40;

/// The way from the root, or from the working directory, step by step.
pub(super) struct Walk {
    pub(super) here: File,
    links: usize,
    /// Whose links are followed, besides root's.
    owner: u32,
}

impl Walk {
    pub(super) fn new(owner: u32) -> io::Result<Self> {
        Ok(Self {
            here: File::open(".")?,
            links: 0,
            owner,
        })
    }

    /// The directory of a file and its name in it.
    pub(super) fn to_file(file: &Path, owner: u32) -> io::Result<(File, OsString)> {
        let mut walk = Self::new(owner)?;
        let mut file = file.to_owned();
        loop {
            let name = file
                .file_name()
                .ok_or(io::ErrorKind::InvalidInput)?
                .to_owned();
            walk.go(directory_of(&file))?;
            match walk.link(&name)? {
                Some(target) => file = target,
                None => return Ok((walk.here, name)),
            }
        }
    }

    pub(super) fn go(&mut self, path: &Path) -> io::Result<()> {
        for component in path.components() {
            match component {
                Component::RootDir => self.here = File::open("/")?,
                Component::CurDir | Component::Prefix(_) => {}
                Component::ParentDir => self.here = File::open(self.reach(OsStr::new("..")))?,
                Component::Normal(name) => match self.link(name)? {
                    Some(target) => self.go(&target)?,
                    None => {
                        let path = self.reach(name);
                        let seen = std::fs::symlink_metadata(&path)?;
                        if !seen.is_dir() {
                            return Err(io::ErrorKind::NotADirectory.into());
                        }
                        self.here = open_step(&path, &seen)?;
                    }
                },
            }
        }
        Ok(())
    }

    fn reach(&self, name: &OsStr) -> PathBuf {
        Path::new("/proc/self/fd")
            .join(self.here.as_raw_fd().to_string())
            .join(name)
    }

    /// Where a link leads, if the name is one.
    fn link(&mut self, name: &OsStr) -> io::Result<Option<PathBuf>> {
        let path = self.reach(name);
        let seen = match std::fs::symlink_metadata(&path) {
            Ok(seen) => seen,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if !seen.is_symlink() {
            return Ok(None);
        }
        if seen.uid() != 0 && seen.uid() != self.owner {
            let here = format!("/proc/self/fd/{}", self.here.as_raw_fd());
            let plain = std::fs::read_link(here).unwrap_or_default().join(name);
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "{} is a link that user {} has made: root does not follow it; name what it leads to, or run as that user",
                    shown(&plain),
                    name_of(seen.uid())
                ),
            ));
        }
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(io::Error::other("too many links"));
        }
        std::fs::read_link(&path).map(Some)
    }
}

/// Opens what `seen` told, and nothing that was put in its place since; a FIFO does not
/// make us wait.
pub(super) fn open_step(path: &Path, seen: &Metadata) -> io::Result<File> {
    let opened = open_without_waiting(path)?;
    let found = opened.metadata()?;
    match same_file(&found, seen) {
        true => Ok(opened),
        false => Err(exchanged()),
    }
}

pub(super) fn exchanged() -> io::Error {
    io::Error::other("somebody else has exchanged it")
}
