//! Where a new file goes: a name in a directory that is held open.
//!
//! Owns the making of files and folders as root in places that others can change. For
//! root the directories on the way are opened one by one, and links of others are not
//! followed, so that nobody can make root write elsewhere by putting a link there,
//! before or meanwhile. For anybody else the system decides, but for links that strangers
//! have put where everybody may.

use super::discovery::name_of;
use super::walk::{MOST_LINKS, Walk, exchanged, open_step};
use super::{directory_of, give, is_root, is_world_writable, with_suffix};
use crate::diagnostics::text::shown;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A name in a directory, whether there is such a file or not.
pub(crate) struct Place {
    directory: File,
    /// By what the directory is reached: its descriptor, or its plain path.
    reach: PathBuf,
    name: OsString,
    /// The plain path, without links.
    plain: PathBuf,
    /// Without `/proc` no directory can be held: one on the way that is not root's alone.
    loose: Option<PathBuf>,
}

impl Place {
    /// The place of `file`; if that is a link, the place that it leads to.
    pub(crate) fn of(file: &Path) -> io::Result<Self> {
        if !is_root() {
            return Self::plain(file);
        }
        let (directory, name) = Walk::to_file(file, 0)?;
        Self::held(directory, name)
    }

    /// A name in a directory that is open.
    fn held(directory: File, name: OsString) -> io::Result<Self> {
        let reach = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
        let plain = std::fs::read_link(&reach)?.join(&name);
        Ok(Self {
            directory,
            reach,
            name,
            plain,
            loose: None,
        })
    }

    /// As the system finds it, but for links that strangers have planted. What is no link
    /// when it is looked at is not followed afterwards.
    fn plain(file: &Path) -> io::Result<Self> {
        let mut file = file.to_owned();
        let mut links = 0;
        while let Some(target) = led_to(&file)? {
            links += 1;
            if links > MOST_LINKS {
                return Err(io::Error::other("too many links"));
            }
            file = directory_of(&file).join(target);
        }
        let name = file.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Self::reached(&std::fs::canonicalize(directory_of(&file))?, name)
    }

    /// A name in a directory that its path leads to.
    fn reached(directory: &Path, name: &OsStr) -> io::Result<Self> {
        let loose = match Path::new("/proc/self/fd").exists() {
            true => None,
            false => not_roots_alone(directory),
        };
        Ok(Self {
            directory: File::open(directory)?,
            name: name.to_owned(),
            reach: directory.to_owned(),
            plain: directory.join(name),
            loose,
        })
    }

    /// The plain path, for SQLite and for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.plain
    }

    /// The name beside it.
    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        with_suffix(&self.reach.join(&self.name), suffix)
    }

    /// The place of a name in a folder, where no link is followed: nobody names what is ours.
    pub(crate) fn in_folder(folder: &Path, name: &OsStr) -> io::Result<Self> {
        if !is_root() {
            led_to(folder)?;
            return Self::reached(&std::fs::canonicalize(folder)?, name);
        }
        let mut walk = Walk::new(0)?;
        walk.go(folder)?;
        Self::held(walk.here, name.to_owned())
    }

    /// The directory, as it is.
    pub(crate) fn directory(&self) -> io::Result<Metadata> {
        self.directory.metadata()
    }

    /// Makes the new file with this suffix, for the owner of `like`.
    pub(crate) fn create(&self, suffix: &str, mode: u32, like: &Metadata) -> io::Result<File> {
        let path = self.beside(suffix);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)?;
        if let Some(directory) = &self.loose
            && file.metadata()?.uid() == 0
        {
            let _ = std::fs::remove_file(&path);
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "others may change {}, and without /proc root cannot hold it: mount /proc, or name a place that is root's alone",
                    shown(directory)
                ),
            ));
        }
        give(&file, like).inspect_err(|_| drop(std::fs::remove_file(&path)))?;
        Ok(file)
    }

    /// Makes the folder, unless it is there, for the owner of the directory that it is in.
    pub(crate) fn create_folder(&self) -> io::Result<()> {
        let path = self.beside("");
        match std::fs::DirBuilder::new().mode(0o777).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {
                return Ok(());
            }
            result => result?,
        }
        // Whoever owns the directory may have put something else there meanwhile.
        let made = open_step(&path, &std::fs::symlink_metadata(&path)?)?;
        if made.metadata()?.uid() != 0 || self.loose.is_some() {
            return Ok(());
        }
        let held = PathBuf::from(format!("/proc/self/fd/{}", made.as_raw_fd()));
        // Without /proc the way to it is root's alone.
        let reach = if held.exists() { held } else { path };
        let is_empty = std::fs::read_dir(reach).is_ok_and(|mut entries| entries.next().is_none());
        match is_empty {
            true => give(&made, &self.directory()?),
            false => Err(exchanged()),
        }
    }

    /// Writes a small file, which has its name only when it is complete and on the disk:
    /// by `publish`, in place of what has the name or not. What a killed run left with this
    /// suffix goes.
    pub(crate) fn write_whole(
        &self,
        suffix: &str,
        (mode, like): (u32, &Metadata),
        content: &[u8],
        publish: fn(&Self, &str) -> io::Result<()>,
    ) -> io::Result<()> {
        self.remove(suffix)?;
        let mut file = self.create(suffix, mode, like)?;
        file.write_all(content)
            .and_then(|()| file.sync_all())
            .and_then(|()| publish(self, suffix))
            .inspect_err(|_| drop(self.remove(suffix)))
    }

    /// Gives what was made with `suffix` its name, in place of what has it.
    pub(crate) fn publish(&self, suffix: &str) -> io::Result<()> {
        std::fs::rename(self.beside(suffix), self.beside(""))?;
        self.directory.sync_all()
    }

    /// The same, if what was made still is what has that name.
    pub(crate) fn publish_made(&self, suffix: &str, made: &File) -> io::Result<()> {
        match is_at(made, &self.beside(suffix)) {
            true => self.publish(suffix),
            false => Err(exchanged()),
        }
    }

    /// Gives what was made its name, if nothing has it: whether it has it now.
    pub(crate) fn publish_new_made(&self, suffix: &str, made: &File) -> io::Result<bool> {
        if !is_at(made, &self.beside(suffix)) {
            return Err(exchanged());
        }
        match self.publish_new(suffix) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            result => result.map(|()| true),
        }
    }

    /// Gives what was made with `suffix` its name, if nothing has it.
    pub(crate) fn publish_new(&self, suffix: &str) -> io::Result<()> {
        let (made, name) = (self.beside(suffix), self.beside(""));
        match std::fs::hard_link(&made, &name) {
            Ok(()) => std::fs::remove_file(&made)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            // A file system without hard links, as FAT.
            Err(_) if std::fs::symlink_metadata(&name).is_ok() => {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            Err(_) => std::fs::rename(&made, &name)?,
        }
        self.directory.sync_all()
    }

    /// Gives the file a second name, with this suffix, if nothing has that; where the file
    /// system knows one name only, instead of its own.
    pub(crate) fn link_as(&self, suffix: &str) -> io::Result<()> {
        let (name, other) = (self.beside(""), self.beside(suffix));
        if std::fs::symlink_metadata(&other).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        match std::fs::hard_link(&name, &other) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) => std::fs::rename(&name, &other)?,
            Ok(()) => {}
        }
        self.directory.sync_all()
    }

    /// Removes the file with this suffix, if it is there.
    pub(crate) fn remove(&self, suffix: &str) -> io::Result<()> {
        match std::fs::remove_file(self.beside(suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether SQLite, which opens files by their paths, has opened this very file: it
    /// is then open twice.
    pub(crate) fn is_open_twice(file: &File) -> bool {
        file.metadata().is_ok_and(|wanted| is_open(&wanted, 2))
    }
}

/// Where a link leads, if the name is one. Refuses those, here and on the way, that somebody
/// else has put where everybody may, as Linux does with `fs.protected_symlinks` where one is
/// opened: we give names, and follow by hand. The name is looked at once: what is put there
/// afterwards is not followed.
fn led_to(file: &Path) -> io::Result<Option<PathBuf>> {
    let link_at = |path: &Path| {
        let found = std::fs::symlink_metadata(path).ok();
        found.filter(Metadata::is_symlink)
    };
    let own = link_at(file);
    let is_link = own.is_some();
    let above = file.ancestors().skip(1).map(|step| (step, link_at(step)));
    for (step, link) in std::iter::once((file, own)).chain(above) {
        let Some(link) = link else {
            continue;
        };
        let directory = std::fs::metadata(directory_of(step))?;
        let is_common = directory.mode() & 0o1002 == 0o1002;
        if is_common && !trusted_in(&directory).contains(&Some(link.uid())) {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "{} is a link that user {} has put where everybody may: name what it leads to",
                    shown(step),
                    name_of(link.uid())
                ),
            ));
        }
    }
    match is_link {
        true => std::fs::read_link(file).map(Some),
        false => Ok(None),
    }
}

/// Whose entries count in a directory where everybody may put some: root's, those of the
/// directory's owner, and our own.
fn trusted_in(directory: &Metadata) -> [Option<u32>; 3] {
    let own = std::fs::metadata("/proc/self").map(|own| own.uid()).ok();
    [Some(0), Some(directory.uid()), own]
}

/// Whether a small file of ours is to be believed: a regular one, and where everybody may
/// put one, nobody else's. They are made for the owner of `like`.
pub(crate) fn is_ours(file: &Path, like: &Path) -> bool {
    let found = std::fs::symlink_metadata(file);
    found.is_ok_and(|found| found.is_file() && is_trusted(&found, file, like))
}

/// Whether what was found as `file` is nobody else's, where everybody may put one.
pub(crate) fn is_trusted(found: &Metadata, file: &Path, like: &Path) -> bool {
    let Ok(directory) = std::fs::metadata(directory_of(file)) else {
        return false;
    };
    let owner = Some(found.uid());
    !is_world_writable(&directory)
        || trusted_in(&directory).contains(&owner)
        || std::fs::metadata(like).map(|found| found.uid()).ok() == owner
}

/// Holds a directory against others of us, so that two that are started at once do not
/// take the same name in it. One on a file system without such locks, and one that has waited
/// for this long, does without.
pub(crate) fn hold(directory: &Path, patience: Duration) -> Option<File> {
    let held = File::open(directory).ok()?;
    let clock = Instant::now();
    loop {
        match held.try_lock() {
            Err(TryLockError::WouldBlock) if clock.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(5));
            }
            _ => return Some(held),
        }
    }
}

/// Whether both are of one file.
pub(crate) fn same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether both paths lead to one file, which is there.
pub(crate) fn lead_to_one(one: &Path, other: &Path) -> bool {
    let found = |path| std::fs::metadata(path).ok();
    let both = found(one).zip(found(other));
    both.is_some_and(|(one, other)| same_file(&one, &other))
}

/// Whether this file is still the one at `path`.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(held), Ok(found)) = (file.metadata(), std::fs::symlink_metadata(path)) else {
        return false;
    };
    same_file(&held, &found)
}

/// Whether this process has a file open so many times, as far as Linux tells.
pub(super) fn is_open(wanted: &Metadata, times: usize) -> bool {
    let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") else {
        return true;
    };
    let same = |path: PathBuf| std::fs::metadata(path).is_ok_and(|found| same_file(&found, wanted));
    let found = descriptors.flatten().filter(|entry| same(entry.path()));
    found.count() >= times
}

/// As root, refuses a file that is there if a link leads to it that belongs neither to
/// root nor to the owner of the file: whoever can put a link there must not make root
/// use what is not theirs. `real` is where the path leads.
pub(crate) fn refuse_strangers_link(file: &Path, real: &Path) -> io::Result<()> {
    if std::path::absolute(file)? == real || !is_root() {
        return Ok(());
    }
    found_by_root(file).map(|_| ())
}

/// As root, refuses what SQLite has opened by a path if that is not what the path leads
/// to without links of others, who may have exchanged it meanwhile.
pub(crate) fn refuse_exchanged(file: &Path) -> io::Result<()> {
    if !is_root() {
        return Ok(());
    }
    let found = found_by_root(file)?;
    match is_open(&found, 1) {
        true => Ok(()),
        false => Err(exchanged()),
    }
}

/// Removes what SQLite has made where others have led it: an empty file of root's that is
/// younger than the one that was meant.
pub(crate) fn remove_made_elsewhere(file: &Path, meant: &File) {
    let remove = || {
        let place = Place::of(file)?;
        let found = std::fs::symlink_metadata(place.beside(""))?;
        let is_younger = found.created()? >= meant.metadata()?.created()?;
        match found.is_file() && found.len() == 0 && found.uid() == 0 && is_younger {
            true => place.remove(""),
            false => Ok(()),
        }
    };
    let _: io::Result<()> = remove();
}

/// The file that is there, found without links of others than its owner.
fn found_by_root(file: &Path) -> io::Result<Metadata> {
    let owner = std::fs::metadata(file)?.uid();
    let (directory, name) = Walk::to_file(file, owner)?;
    let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
    let found = std::fs::symlink_metadata(Path::new(&path).join(name))?;
    // A file of root's can have a second name in a folder of theirs, where the system
    // lets them make one.
    if found.uid() == 0 && found.nlink() > 1 && directory.metadata()?.uid() != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it belongs to root and has another name elsewhere (a hard link), and its directory is another user's: name it where it is root's",
        ));
    }
    match found.uid() == owner {
        true => Ok(found),
        false => Err(exchanged()),
    }
}

/// The first directory from the root to this one that somebody besides root may change.
fn not_roots_alone(directory: &Path) -> Option<PathBuf> {
    let is_loose = |path: &&Path| {
        std::fs::metadata(path).is_ok_and(|found| found.uid() != 0 || found.mode() & 0o022 != 0)
    };
    directory.ancestors().find(is_loose).map(Path::to_owned)
}
