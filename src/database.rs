//! A path or URL becomes a connection, for looking or for writing.
//!
//! Owns what SQLite is told when a database is opened, and what is said when it
//! cannot be. Looking never creates a file or a sidecar that stays. Never runs a
//! script and knows nothing of migrations.

use crate::error::{Cause, Error, explained_message, sqlite_message};
use rusqlite::{Connection, OpenFlags};
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What may be done with a database file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `mode=ro`: only looked at.
    ReadOnly,
    /// `mode=rw`: must exist.
    ReadWrite,
    /// `mode=rwc`, and every plain path: created if a migration is to be applied.
    Create,
}

/// Where a database is, and how it may be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub path: PathBuf,
    /// What may be done with it.
    pub mode: Mode,
    /// `immutable=1`: the caller vouches that nobody changes it.
    pub immutable: bool,
    /// The name of a VFS of SQLite's, such as `unix-dotfile`.
    pub vfs: Option<String>,
}

impl Location {
    /// A file, whatever characters its name holds.
    #[must_use]
    pub fn file(path: PathBuf) -> Self {
        Self {
            path,
            mode: Mode::Create,
            immutable: false,
            vfs: None,
        }
    }

    /// Reads what a user wrote: a URL if it starts with `sqlite:`, else a path.
    /// `origin` says where it was written, for the error.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] if the URL is wrong, names another engine, or
    /// names a database in memory, of which nothing would remain.
    pub fn parse(text: &OsStr, origin: &str) -> Result<Self, Error> {
        let wrong = |message: String| Error::Configuration {
            origin: origin.to_owned(),
            message,
            position: None,
        };
        let utf8 = text.to_str().unwrap_or_default();
        if let Some((scheme, _)) = utf8.split_once("://")
            && is_other_engine(scheme)
        {
            return Err(wrong(format!(
                "a {scheme} database cannot be migrated: litemigrate is for SQLite; name a file, or a URL such as sqlite://data.db"
            )));
        }
        if utf8 == ":memory:" {
            return Err(wrong(IN_MEMORY.to_owned()));
        }
        if text.is_empty() {
            return Err(wrong(
                "the database's name is empty: name a file".to_owned(),
            ));
        }
        if text.as_bytes().starts_with(b"sqlite:") {
            parse_url(text.as_bytes()).map_err(wrong)
        } else {
            Ok(Self::file(PathBuf::from(text)))
        }
    }

    /// The path as SQLite must hear it: not empty, not `:memory:`, not `file:…`,
    /// which it would all take for something else than a name.
    fn sqlite_path(&self) -> PathBuf {
        if self.path.is_absolute() {
            self.path.clone()
        } else {
            Path::new(".").join(&self.path)
        }
    }

    /// The file's metadata, or `None` if there is no file and there may be none.
    fn metadata(&self) -> Result<Option<Metadata>, Error> {
        match std::fs::metadata(&self.path) {
            Ok(metadata) if metadata.is_dir() => {
                Err(self.cannot_open("it is a directory: name a file in it"))
            }
            Ok(metadata) if metadata.file_type().is_fifo() || metadata.file_type().is_socket() => {
                Err(self.cannot_open("it is not a regular file"))
            }
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match self.mode {
                Mode::Create => Ok(None),
                Mode::ReadOnly | Mode::ReadWrite => Err(Error::NoDatabase {
                    path: self.path.clone(),
                }),
            },
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Error::Database {
                path: self.path.clone(),
                doing: "open the database",
                cause: Cause::Permission,
                message: format!("{error}: a directory above it may not be entered"),
            }),
            Err(error) => Err(self.cannot_open(&error.to_string())),
        }
    }

    fn cannot_open(&self, message: &str) -> Error {
        Error::CannotCreateDatabase {
            path: self.path.clone(),
            message: message.to_owned(),
        }
    }

    /// Opens the database for writing, creating it if it may be created, or
    /// takes the connection that [`look`] gave back. Foreign keys are on, as sqlx
    /// and SQLPage have them: SQLite's own default depends on how it was built.
    ///
    /// # Errors
    ///
    /// [`Error::NoDatabase`], [`Error::CannotCreateDatabase`], [`Error::Database`].
    pub fn open_to_write(&self, opened: Option<Connection>) -> Result<Connection, Error> {
        let connection = match opened {
            Some(connection) => connection,
            None => self.open_or_create()?,
        };
        refuse_read_only(&connection)?;
        connection
            .execute_batch("PRAGMA foreign_keys = ON")
            .map_err(|error| Error::database(&connection, "configure the connection", &error))?;
        Ok(connection)
    }

    fn open_or_create(&self) -> Result<Connection, Error> {
        let exists = self.metadata()?.is_some();
        if self.mode == Mode::ReadOnly || self.immutable {
            return Err(Error::Database {
                path: self.path.clone(),
                doing: "write to the database",
                cause: Cause::Permission,
                message: "its URL says mode=ro or immutable=1".to_owned(),
            });
        }
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        if self.mode == Mode::Create {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        self.open(&self.sqlite_path(), flags)
            .map_err(|error| match error {
                Error::Database {
                    message,
                    cause: Cause::CannotOpen,
                    ..
                } if !exists => self.cannot_open(&self.why_not_created(message)),
                other => other,
            })
    }

    fn why_not_created(&self, message: String) -> String {
        let parent = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        match std::fs::metadata(parent) {
            Err(error) => format!(
                "its directory {}: {error}; create it first",
                parent.display()
            ),
            Ok(metadata) if !metadata.is_dir() => {
                format!("{} is not a directory", parent.display())
            }
            Ok(_) if std::fs::symlink_metadata(&self.path).is_ok() => {
                "it is a link whose target cannot be created".to_owned()
            }
            Ok(_) => format!(
                "{message}: may this user write to the directory {}?",
                parent.display()
            ),
        }
    }

    fn open(&self, path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = match &self.vfs {
            Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str()),
            None => Connection::open_with_flags(path, flags),
        };
        opened.map_err(|error| match &self.vfs {
            Some(vfs) if sqlite_message(&error).contains("no such vfs") => Error::Configuration {
                origin: "vfs".to_owned(),
                message: format!("SQLite has no VFS '{vfs}': on Unix there are unix, unix-dotfile, unix-excl and unix-none"),
                position: None,
            },
            _ => Error::Database {
                path: self.path.clone(),
                doing: "open the database",
                cause: Cause::of(&error),
                message: explained_message(&error),
            },
        })
    }
}

/// `BEGIN IMMEDIATE` succeeds on a database that can only be read.
pub(crate) fn refuse_read_only(connection: &Connection) -> Result<(), Error> {
    match connection.is_readonly("main") {
        Ok(false) => Ok(()),
        Ok(true) => Err(Error::Database {
            path: connection.path().unwrap_or_default().into(),
            doing: "write to the database",
            cause: Cause::Permission,
            message: "the file or its file system is read-only for this user: nothing was changed"
                .to_owned(),
        }),
        Err(error) => Err(Error::database(connection, "read its settings", &error)),
    }
}

const IN_MEMORY: &str = "a database in memory cannot be migrated: nothing of it would remain; name a file (./:memory: if it is called so)";

fn is_other_engine(scheme: &str) -> bool {
    const ENGINES: [&str; 11] = [
        "postgres",
        "postgresql",
        "mysql",
        "mariadb",
        "mssql",
        "sqlserver",
        "odbc",
        "libsql",
        "http",
        "https",
        "file",
    ];
    ENGINES.contains(&scheme.to_ascii_lowercase().as_str())
}

/// As `sqlx-sqlite/src/options/parse.rs` reads it. The error is a sentence.
fn parse_url(url: &[u8]) -> Result<Location, String> {
    let mut rest = url;
    for prefix in [&b"sqlite://"[..], b"sqlite:"] {
        while let Some(stripped) = rest.strip_prefix(prefix) {
            rest = stripped;
        }
    }
    let (path, parameters) = match rest.iter().position(|&byte| byte == b'?') {
        Some(mark) => (&rest[..mark], &rest[mark + 1..]),
        None => (rest, &b""[..]),
    };
    if path == b":memory:" {
        return Err(IN_MEMORY.to_owned());
    }
    let path = percent_decode(path, false);
    if path.is_empty() {
        return Err(
            "the URL names no file: write sqlite://data.db or sqlite:///srv/data.db".to_owned(),
        );
    }
    if path.contains(&0) {
        return Err("the URL's path holds a NUL byte".to_owned());
    }
    let mut location = Location {
        mode: Mode::ReadWrite,
        ..Location::file(PathBuf::from(std::ffi::OsString::from_vec(path)))
    };
    for pair in parameters
        .split(|&byte| byte == b'&')
        .filter(|pair| !pair.is_empty())
    {
        let (name, value) = match pair.iter().position(|&byte| byte == b'=') {
            Some(mark) => (&pair[..mark], &pair[mark + 1..]),
            None => (pair, &b""[..]),
        };
        let name = String::from_utf8_lossy(&percent_decode(name, true)).into_owned();
        let value = String::from_utf8_lossy(&percent_decode(value, true)).into_owned();
        match (name.as_str(), value.as_str()) {
            ("mode", "ro") => location.mode = Mode::ReadOnly,
            ("mode", "rw") => location.mode = Mode::ReadWrite,
            ("mode", "rwc") => location.mode = Mode::Create,
            ("mode", "memory") => return Err(IN_MEMORY.to_owned()),
            ("cache", "private" | "shared") => {}
            ("immutable", "true" | "1") => location.immutable = true,
            ("immutable", "false" | "0") => location.immutable = false,
            ("vfs", name) if !name.is_empty() && !name.contains('\0') => {
                location.vfs = Some(name.to_owned())
            }
            ("mode" | "cache" | "immutable" | "vfs", _) => {
                return Err(format!(
                    "the URL's parameter {name} cannot be '{value}': mode is ro, rw or rwc; cache is private or shared; immutable is 0 or 1"
                ));
            }
            _ => {
                return Err(format!(
                    "the URL has an unknown parameter '{name}': known are mode, cache, immutable, vfs"
                ));
            }
        }
    }
    Ok(location)
}

fn percent_decode(text: &[u8], form: bool) -> Vec<u8> {
    let hex = |byte: Option<&u8>| byte.and_then(|&byte| char::from(byte).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut index = 0;
    while let Some(&byte) = text.get(index) {
        index += 1;
        match (byte, hex(text.get(index)), hex(text.get(index + 1))) {
            (b'%', Some(high), Some(low)) => {
                out.extend(u8::try_from(high * 16 + low));
                index += 2;
            }
            (b'+', ..) if form => out.push(b' '),
            _ => out.push(byte),
        }
    }
    out
}

/// What a database is opened for, if looking at it is not the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing will be written.
    Look,
    /// It may turn out that something is to be written.
    LookThenWrite,
}

/// Opens the database, lets `read` look at it, and gives back what it read. A
/// connection that can be used for writing is given back too, if that is what
/// was opened. `None` if there is no such file.
///
/// A WAL database that nobody has open is read as immutable, because any other
/// way creates and removes `-wal` and `-shm`, some 56 KiB of writes to the flash
/// each time. What was read that way counts only if there is still no `-wal`
/// afterwards and the file is still the same: every commit before that moment
/// either left a `-wal`, or had changed the file when it was moved into it
/// (sqlite.org/wal.html). Otherwise it is read again in the ordinary way.
///
/// A rollback journal that a crash left behind is rolled back, as by every
/// reader that may write.
///
/// The file's header is read by other means than SQLite's before it is opened:
/// do not call this while another connection of the same process has it open
/// (sqlite.org/howtocorrupt.html, section 2.2).
///
/// # Errors
///
/// [`Error::NoDatabase`], [`Error::Database`], and what `read` returns.
pub fn look<T>(
    location: &Location,
    access: Access,
    lock_wait: Duration,
    mut read: impl FnMut(&Connection) -> Result<T, Error>,
) -> Result<Option<(T, Option<Connection>)>, Error> {
    let Some(metadata) = location.metadata()? else {
        return Ok(None);
    };
    if location.immutable {
        let connection = location.open_immutable()?;
        return Ok(Some((read(&connection)?, None)));
    }
    let is_wal = location.is_wal();
    if is_wal && let Some(quiet) = Quiet::observe(location, &metadata) {
        let connection = location.open_immutable()?;
        let result = read(&connection);
        drop(connection);
        if quiet.lasted() {
            return Ok(Some((result?, None)));
        }
    }
    // The first to open a WAL database makes `-wal` and `-shm`, and only who may
    // write removes them again.
    let cleans_up = is_wal && !location.sidecar("-wal").exists();
    let may_write = location.mode != Mode::ReadOnly;
    let writable = may_write && (access == Access::LookThenWrite || cleans_up);
    let connection = location.open_to_read(writable, lock_wait)?;
    match read(&connection) {
        Err(Error::Database {
            cause: Cause::Permission | Cause::CannotOpen,
            ..
        }) if is_wal => {
            drop(connection);
            Ok(Some((
                location.look_without_shared_memory(&mut read)?,
                None,
            )))
        }
        Err(Error::Database {
            cause: Cause::Permission,
            ..
        }) if !writable && may_write && location.has_journal() => {
            let connection = location.open_to_read(true, lock_wait)?;
            Ok(Some((read(&connection)?, None)))
        }
        result => {
            let found = result?;
            let keep = access == Access::LookThenWrite && writable;
            Ok(Some((found, keep.then_some(connection))))
        }
    }
}

impl Location {
    fn open_to_read(&self, writable: bool, lock_wait: Duration) -> Result<Connection, Error> {
        let flags = if writable {
            OpenFlags::SQLITE_OPEN_READ_WRITE
        } else {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        };
        let connection = self.open(&self.sqlite_path(), flags)?;
        connection
            .busy_timeout(lock_wait)
            .map_err(|error| Error::database(&connection, "configure the connection", &error))?;
        Ok(connection)
    }

    /// Opens the file as one that nobody changes. SQLite takes this only from a
    /// URI, so here, and only here, it is given one, with every byte encoded
    /// that has a meaning in it (sqlite.org/uri.html).
    fn open_immutable(&self) -> Result<Connection, Error> {
        use std::fmt::Write;
        let mut uri = String::from("file:");
        for &byte in self.sqlite_path().as_os_str().as_bytes() {
            if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
                uri.push(char::from(byte));
            } else {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
        uri.push_str("?immutable=1");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        self.open(Path::new(&uri), flags)
    }

    /// Whether the file's header says WAL (sqlite.org/fileformat2.html, offset 18).
    fn is_wal(&self) -> bool {
        let mut header = [0; 20];
        File::open(&self.path)
            .and_then(|mut file| file.read_exact(&mut header))
            .is_ok_and(|()| header.starts_with(b"SQLite format 3\0") && header[19] == 2)
    }

    /// Where SQLite puts `-wal` and `-journal`: beside the real file.
    fn sidecar(&self, suffix: &str) -> PathBuf {
        let real = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let mut name = real.into_os_string();
        name.push(suffix);
        PathBuf::from(name)
    }

    fn has_journal(&self) -> bool {
        self.sidecar("-journal").exists()
    }

    /// For a WAL database whose directory or medium is read-only, so that no
    /// shared memory can be made: reads it as immutable if there is no `-wal`
    /// with content in it, and says why not otherwise.
    fn look_without_shared_memory<T>(
        &self,
        read: &mut impl FnMut(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let wal = self.sidecar("-wal");
        if std::fs::metadata(&wal).is_ok_and(|metadata| metadata.len() > 0) {
            return Err(Error::Database {
                path: self.path.clone(),
                doing: "read the database",
                cause: Cause::Permission,
                message: format!(
                    "it is in WAL mode, what was written last is in {}, and the -shm file beside it cannot be made or read here: open it once where its directory is writable",
                    wal.display()
                ),
            });
        }
        read(&self.open_immutable()?)
    }
}

/// The file of a connection's main database, whatever characters its name holds;
/// empty for a database in memory.
pub(crate) fn file_of(connection: &Connection) -> PathBuf {
    let query = "SELECT file FROM pragma_database_list WHERE name = 'main'";
    let file = connection.query_row(query, [], |row| {
        let bytes = row.get_ref(0)?.as_bytes_or_null().ok().flatten();
        Ok(PathBuf::from(OsStr::from_bytes(bytes.unwrap_or_default())))
    });
    file.unwrap_or_default()
}

/// The process that holds a lock on a database, as `name (pid 123)`, as far as
/// Linux tells (`/proc/locks`, proc(5)); for a message, never for a decision.
#[must_use]
pub fn lock_holder(database: &Path) -> Option<String> {
    let shared_memory = PathBuf::from({
        let mut name = std::fs::canonicalize(database).ok()?.into_os_string();
        name.push("-shm");
        name
    });
    let inodes: Vec<u64> = [database, &shared_memory]
        .iter()
        .filter_map(|path| std::fs::metadata(path).ok())
        .map(|metadata| metadata.ino())
        .collect();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    // "1: POSIX  ADVISORY  WRITE 708 08:01:1313 1073741825 1073741825"
    let pid = locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let inode = words.get(5)?.rsplit(':').next()?.parse().ok()?;
        let is_ours = words.get(4)? == &std::process::id().to_string();
        (words.get(3) == Some(&"WRITE") && inodes.contains(&inode) && !is_ours)
            .then(|| words[4].to_owned())
    })?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(format!("{} (pid {pid})", crate::text::escape(name.trim())))
}

/// A WAL database without a `-wal`: nobody has it open for writing.
struct Quiet<'a> {
    location: &'a Location,
    wal: PathBuf,
    before: Fingerprint,
}

#[derive(PartialEq, Eq)]
struct Fingerprint {
    file: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Fingerprint {
    fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// File systems stamp a change with a clock that ticks at least every 10 ms, so
/// a change within the tick of the last one would not show.
const TICK: Duration = Duration::from_millis(20);

impl<'a> Quiet<'a> {
    /// `None` if somebody has the database open, or if its file was changed so
    /// recently that a further change might not show in its times.
    fn observe(location: &'a Location, metadata: &Metadata) -> Option<Self> {
        let wal = location.sidecar("-wal");
        let before = Fingerprint::of(metadata);
        let whole_seconds = before.modified.1 == 0 && before.changed.1 == 0;
        let tick = if whole_seconds {
            Duration::from_secs(3)
        } else {
            TICK
        };
        let age = SystemTime::now()
            .duration_since(metadata.modified().ok()?)
            .ok()?;
        if age < tick {
            if whole_seconds {
                return None;
            }
            // A pause of milliseconds spares the flash; a wrong answer is not possible.
            std::thread::sleep(tick - age);
        }
        let absent = std::fs::symlink_metadata(&wal)
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        absent.then_some(Self {
            location,
            wal,
            before,
        })
    }

    /// Whether what was read since is what was there at one moment.
    fn lasted(&self) -> bool {
        // In this order: see `look`.
        let absent = std::fs::symlink_metadata(&self.wal)
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        absent
            && std::fs::metadata(&self.location.path)
                .is_ok_and(|metadata| Fingerprint::of(&metadata) == self.before)
    }
}
