//! Who may write what: which of file, directory, sidecar or mount is at fault, and
//! whom a file that we make belongs to.
//!
//! Reads what the system tells of them, and never opens a database: closing it
//! would drop SQLite's locks (sqlite.org/howtocorrupt.html, section 2.2).

pub(crate) mod discovery;
pub(crate) mod place;
mod walk;

use crate::diagnostics::problem::Finding;
use crate::diagnostics::text::shown;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Who this process is, as the file system sees it (proc(5)).
struct Identity {
    user: u32,
    groups: Vec<u32>,
}

impl Identity {
    fn of_this_process() -> Option<Self> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let numbers = |name: &str| -> Option<Vec<u32>> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().map(|n| n.parse().ok()).collect()
        };
        // Real, effective, saved, and of the file system.
        let user = *numbers("Uid:")?.get(3)?;
        let mut groups = numbers("Groups:")?;
        groups.push(*numbers("Gid:")?.get(3)?);
        Some(Self { user, groups })
    }

    /// `right` is one bit of the mode, as it stands for others.
    fn may(&self, right: u32, metadata: &Metadata) -> bool {
        let bit = if self.user == metadata.uid() {
            right << 6
        } else if self.groups.contains(&metadata.gid()) {
            right << 3
        } else {
            right
        };
        self.user == 0 || metadata.mode() & bit != 0
    }

    /// Whose `path` is, if this process has not this right.
    fn refused(&self, right: u32, path: &Path) -> Option<String> {
        let metadata = std::fs::metadata(path).ok()?;
        (!self.may(right, &metadata)).then(|| {
            format!(
                "{} belongs to user {} and group {} with mode {:04o}, and this is user {}",
                shown(path),
                metadata.uid(),
                metadata.gid(),
                metadata.mode() & 0o7777,
                self.user
            )
        })
    }

    /// The directory above `path` that keeps this process out.
    fn not_entered(&self, path: &Path) -> Option<String> {
        let absolute = std::path::absolute(path).ok()?;
        let mut above: Vec<&Path> = absolute.ancestors().collect();
        above.reverse();
        let is_denied = |pair: &&[&Path]| {
            let inside = std::fs::metadata(pair[1]);
            inside.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        };
        let pair = above.windows(2).find(is_denied)?;
        Some(format!(
            "the directory {} may not be entered by user {}",
            shown(pair[0]),
            self.user
        ))
    }
}

/// How the mode of a file says for others that it may be read, and written.
const READ: u32 = 0o004;
const WRITE: u32 = 0o002;

/// Whether this process is root's. What the system knows of another's belongs to them,
/// which is one question; root's may belong to root for other reasons (proc(5)). Asked once:
/// who gives root up later is only asked more than they must, and who takes it again in one
/// process is asked as if they had not.
pub(crate) fn is_root() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        if std::fs::metadata("/proc/self").is_ok_and(|found| found.uid() != 0) {
            return false;
        }
        Identity::of_this_process().is_some_and(|identity| identity.user == 0)
    })
}

/// Where SQLite puts its temporary files: the first of these that may be written to
/// (`unixTempFileDir` of its os_unix.c). The first two come from the environment.
pub(crate) fn temporary_directory(named: [Option<PathBuf>; 2]) -> Option<PathBuf> {
    let identity = Identity::of_this_process()?;
    let usual = ["/var/tmp", "/usr/tmp", "/tmp", "."].map(|path| Some(PathBuf::from(path)));
    let may_write = |path: &PathBuf| {
        std::fs::metadata(path).is_ok_and(|found| found.is_dir() && identity.may(WRITE, &found))
    };
    named
        .into_iter()
        .chain(usual)
        .flatten()
        .find(|path| may_write(path))
}

/// Which of the things that SQLite must write to, to write to `database`, cannot be
/// written by this process: a sentence for a person. `None` if none is found, as
/// far as owners, modes and mounts tell.
#[must_use]
pub fn at_fault(database: &Path) -> Option<String> {
    let identity = Identity::of_this_process()?;
    if let Some(directory) = identity.not_entered(database) {
        return Some(directory);
    }
    let real = std::fs::canonicalize(database);
    let database = real.as_deref().unwrap_or(database);
    if database.is_dir() {
        return None;
    }
    let directory = directory_of(database);
    // A single file can be a mount of its own, as in a container.
    if let Some(mount) = read_only_mount(database).or_else(|| read_only_mount(directory)) {
        return Some(format!(
            "the file system at {} is mounted read-only",
            shown(&mount)
        ));
    }
    let files = ["", "-wal", "-shm", "-journal"];
    let mut paths = files.iter().map(|suffix| with_suffix(database, suffix));
    let file = paths.find_map(|path| identity.refused(WRITE, &path));
    file.or_else(|| {
        let refused = identity.refused(WRITE, directory)?;
        Some(format!(
            "the directory {refused}: SQLite makes files beside the database"
        ))
    })
}

/// Why this process may not read `path`, a script or a folder of them; `None` if that
/// cannot be told.
pub(crate) fn unreadable_for(path: &Path) -> Option<String> {
    let identity = Identity::of_this_process()?;
    let directory = identity.not_entered(path);
    directory.or_else(|| identity.refused(READ, path))
}

/// Keeps the opening of a file that has become a FIFO from waiting for a writer.
#[cfg(all(
    any(target_os = "linux", target_os = "android"),
    not(any(target_arch = "mips", target_arch = "mips64", target_arch = "sparc64"))
))]
const O_NONBLOCK: i32 = 0o4000;
#[cfg(all(
    any(target_os = "linux", target_os = "android"),
    any(target_arch = "mips", target_arch = "mips64")
))]
const O_NONBLOCK: i32 = 0o200;
#[cfg(all(target_os = "linux", target_arch = "sparc64"))]
const O_NONBLOCK: i32 = 0x4000;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const O_NONBLOCK: i32 = 0x4;

/// Opens a file for reading, without waiting if it has become a FIFO.
pub(crate) fn open_without_waiting(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open(path)
}

/// The directory that a file is in, or will be.
pub(crate) fn directory_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The name beside a file that SQLite and we make of its own: `app.db-wal`.
#[must_use]
pub fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Where the file system of a file or directory is mounted, if it is mounted read-only.
fn read_only_mount(path: &Path) -> Option<PathBuf> {
    let path = std::fs::canonicalize(path).ok()?;
    let mounts = std::fs::read("/proc/self/mountinfo").ok()?;
    let mut found: Option<(PathBuf, bool)> = None;
    for line in mounts.split(|byte| *byte == b'\n') {
        // "36 35 98:0 /root /mount rw,noatime master:1 - ext3 /dev/root rw,errors=continue"
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let (Some(mount), Some(options)) = (words.get(4), words.get(5)) else {
            continue;
        };
        let mount = unescaped(mount);
        let of_file_system = words.last().copied().unwrap_or_default();
        let is_read_only = [options, of_file_system].iter().any(|options| {
            options
                .split(|byte| *byte == b',')
                .any(|word| word == b"ro")
        });
        let is_nearer = found
            .as_ref()
            .is_none_or(|(nearest, _)| mount.starts_with(nearest));
        if path.starts_with(&mount) && is_nearer {
            found = Some((mount, is_read_only));
        }
    }
    found.and_then(|(mount, is_read_only)| is_read_only.then_some(mount))
}

/// `\040` is a space there.
fn unescaped(word: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let [first, after @ ..] = rest {
        let octal = after
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = &after[3..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(std::ffi::OsStr::from_bytes(&bytes))
}

/// Gives a file that root has just made to the owner of what it belongs to. Others
/// cannot give files away, and own what they make.
pub(crate) fn give(file: &File, like: &Metadata) -> io::Result<()> {
    let made = file.metadata()?;
    let is_same = (made.uid(), made.gid()) == (like.uid(), like.gid());
    if made.uid() != 0 || is_same {
        return Ok(());
    }
    match fchown(file, Some(like.uid()), Some(like.gid())) {
        // Root without that right, as in a sandbox, or of a user namespace that does not
        // know the owner.
        Err(error)
            if [io::ErrorKind::PermissionDenied, io::ErrorKind::InvalidInput]
                .contains(&error.kind()) =>
        {
            Ok(())
        }
        result => result,
    }
}

/// Whether every user of this machine can write to it.
pub(crate) fn is_world_writable(metadata: &Metadata) -> bool {
    metadata.mode() & 0o002 != 0
}

/// Warns of files and folders that every user of this machine can write to, if this
/// process is root's, which runs what is in them. What is mounted read-only is nobody's
/// to write.
#[must_use]
pub fn world_writable(paths: &[PathBuf]) -> Vec<Finding> {
    let is_open = |path: &&PathBuf| std::fs::metadata(path).is_ok_and(|m| is_world_writable(&m));
    let mut open: Vec<&PathBuf> = paths.iter().filter(is_open).collect();
    if open.is_empty() || !is_root() {
        return Vec::new();
    }
    open.retain(|path| read_only_mount(path).is_none());
    let message =
        "can be written by every user of this machine, and root runs what is in it: chmod o-w";
    let warning = |path: &&PathBuf| Finding::new("world-writable", path, message);
    open.iter().map(warning).collect()
}

/// Warns of a folder of scripts that a group may write to, if this process is root's: not
/// of root's own group, nor of one that is its owner's alone, as Debian makes one for each
/// user, with the same number.
pub(crate) fn group_writable(folder: &Path) -> Option<Finding> {
    let metadata = std::fs::metadata(folder).ok()?;
    let group = metadata.gid();
    let is_shared = metadata.mode() & 0o020 != 0 && group != 0 && group != metadata.uid();
    // Of what every user may write to there is a word already.
    if !is_shared || is_world_writable(&metadata) || !is_root() {
        return None;
    }
    if read_only_mount(folder).is_some() {
        return None;
    }
    let message = format!(
        "can be written by group {group}, and root runs what is in it: chmod g-w, if its members are not to be root"
    );
    Some(Finding::new("group-writable", folder, message))
}

#[cfg(test)]
mod tests {
    use super::{read_only_mount, unescaped};
    use std::path::{Path, PathBuf};

    #[test]
    fn mounts_are_read() {
        assert_eq!(unescaped(b"/a\\040b\\x"), PathBuf::from("/a b\\x"));
        assert_eq!(unescaped(b"\\04"), PathBuf::from("\\04"));
        assert_eq!(read_only_mount(Path::new("/proc/self/no-such")), None);
    }
}
