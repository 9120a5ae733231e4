//! Looks at a database and leaves it as it was: no file, no sidecar that stays. Only where
//! a `-wal` is without its `-shm`, as in a copy of a machine that was cut off, the latter
//! stays: every reader makes it, and who removes it moves the `-wal` into the database.
//!
//! Owns the ways to read a database in WAL mode, on a read-only medium, or after
//! a crash. Never writes, and knows nothing of what is read.

use crate::database::limits::Limits;
use crate::database::location::{Location, Mode};
use crate::database::permission::{open_without_waiting, with_suffix};
use crate::database::transaction::roll_back;
use crate::diagnostics::error::{Cause, Error};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

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
/// reader that may write; one beside a file whose header says WAL, too, as a restore
/// that was cut off leaves it.
///
/// All that `read` reads is one moment of the database: it is in one transaction.
/// What the schema of a stranger's database could run is not trusted meanwhile
/// (sqlite.org/security.html).
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
    limits: &Limits,
    mut read: impl FnMut(&Connection) -> Result<T, Error>,
) -> Result<Option<(T, Option<Connection>)>, Error> {
    let Some(metadata) = location.metadata()? else {
        return Ok(None);
    };
    let mut read = |connection: &Connection| at_one_moment(connection, &mut read);
    if location.immutable {
        let connection = location.open_immutable(limits)?;
        return Ok(Some((read(&connection)?, None)));
    }
    let is_wal = location.is_wal();
    if is_wal && let Some(quiet) = Quiet::observe(location, &metadata) {
        let connection = location.open_immutable(limits)?;
        let result = read(&connection);
        drop(connection);
        if quiet.lasted() {
            return Ok(Some((result?, None)));
        }
    }
    // The first to open a WAL database makes `-wal` and `-shm`, and only who may
    // write removes them again, and brings in a journal.
    let cleans_up = is_wal && (!location.sidecar("-wal").exists() || location.has_hot_journal());
    let may_write = location.mode != Mode::ReadOnly;
    let writable = may_write && (access == Access::LookThenWrite || cleans_up);
    let flags = match (writable, access) {
        (false, _) => OpenFlags::SQLITE_OPEN_READ_ONLY,
        (true, Access::Look) => OpenFlags::SQLITE_OPEN_READ_WRITE,
        (true, Access::LookThenWrite) => location.flags_to_write(),
    };
    let connection = location.open_to_read(flags, limits)?;
    match read(&connection) {
        Err(Error::Database {
            cause: Cause::Permission | Cause::CannotOpen,
            ..
        }) if is_wal => {
            drop(connection);
            Ok(Some((
                location.look_without_shared_memory(limits, &mut read)?,
                None,
            )))
        }
        Err(Error::Database {
            cause: Cause::Permission,
            ..
        }) if !writable && may_write && location.has_hot_journal() => {
            drop(connection);
            let connection = location.open_to_read(OpenFlags::SQLITE_OPEN_READ_WRITE, limits)?;
            Ok(Some((read(&connection)?, None)))
        }
        result => {
            let found = result?;
            let keep = access == Access::LookThenWrite && writable;
            if keep {
                trust(&connection, true)?;
            }
            Ok(Some((found, keep.then_some(connection))))
        }
    }
}

/// Reads in one transaction: several statements of their own would see what others
/// commit between them. It begins with the number that needs no schema: SQLite locks the
/// file to read the schema, and again after that, if no statement holds the lock.
fn at_one_moment<T>(
    connection: &Connection,
    read: &mut impl FnMut(&Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    let failed = |error: rusqlite::Error| Error::database(connection, "read the database", &error);
    connection.execute_batch("BEGIN").map_err(failed)?;
    match connection.execute_batch("PRAGMA main.schema_version") {
        Err(error) if Cause::of(&error) == Cause::Busy => return Err(failed(error)),
        // What else is wrong is said of what cannot be read.
        _ => {}
    }
    let found = read(connection);
    roll_back(connection);
    found
}

/// Whether views, triggers and expressions of the schema may call whatever functions
/// there are, and statements may write where SQLite keeps its own things
/// (sqlite.org/c3ref/c_dbconfig_defensive.html).
pub(crate) fn trust(connection: &Connection, trusted: bool) -> Result<(), Error> {
    let set = |config, on| connection.set_db_config(config, on).map(|_| ());
    set(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, trusted)
        .and_then(|()| set(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, !trusted))
        .map_err(|error| Error::database(connection, "configure the connection", &error))
}

impl Location {
    fn open_to_read(&self, flags: OpenFlags, limits: &Limits) -> Result<Connection, Error> {
        let mut connection = self.open(&self.sqlite_path(), flags)?;
        trust(&connection, false)?;
        limits.set_patience(&connection)?;
        limits.watch(&mut connection)?;
        Ok(connection)
    }

    /// Opens the file as one that nobody changes. SQLite takes this only from a
    /// URI, so here, and only here, it is given one, with every byte encoded
    /// that has a meaning in it (sqlite.org/uri.html).
    fn open_immutable(&self, limits: &Limits) -> Result<Connection, Error> {
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
        let mut connection = self.open(Path::new(&uri), flags)?;
        trust(&connection, false)?;
        limits.watch(&mut connection)?;
        Ok(connection)
    }

    /// Whether the file's header says WAL (sqlite.org/fileformat2.html, offset 18).
    pub(crate) fn is_wal(&self) -> bool {
        let mut header = [0; 20];
        open_without_waiting(&self.path)
            .and_then(|mut file| file.read_exact(&mut header))
            .is_ok_and(|()| header.starts_with(b"SQLite format 3\0") && header[19] == 2)
    }

    /// Where SQLite puts `-wal` and `-journal`: beside the real file.
    pub(crate) fn sidecar(&self, suffix: &str) -> PathBuf {
        let real = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        with_suffix(&real, suffix)
    }

    /// Whether a rollback journal lies beside the file that SQLite would roll back:
    /// one that is empty or begins with a zero is over (`hasHotJournal` in its pager.c).
    /// One that cannot be read may be anything.
    fn has_hot_journal(&self) -> bool {
        let mut first = [0];
        match open_without_waiting(&self.sidecar("-journal")) {
            Ok(mut journal) => match journal.read(&mut first) {
                Ok(length) => length == 1 && first != [0],
                Err(_) => true,
            },
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    /// For a WAL database whose directory or medium is read-only, so that no
    /// shared memory can be made: reads it as immutable if there is no `-wal`
    /// with content in it, and says why not otherwise.
    fn look_without_shared_memory<T>(
        &self,
        limits: &Limits,
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
        if self.has_hot_journal() {
            return Err(Error::Database {
                path: self.path.clone(),
                doing: "read the database",
                cause: Cause::Permission,
                message: "a crash has left a -journal file beside it, which must be brought in first: open it once (`litemigrate status` does) as a user who may write to it and its directory".to_owned(),
            });
        }
        read(&self.open_immutable(limits)?)
    }
}

/// A WAL database without a `-wal` and without a journal that is still to be rolled
/// back: nobody has it open for writing.
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
        (absent && !location.has_hot_journal()).then_some(Self {
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
            && !self.location.has_hot_journal()
            && std::fs::metadata(&self.location.path)
                .is_ok_and(|metadata| Fingerprint::of(&metadata) == self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, Quiet, TICK, look};
    use crate::database::limits::Limits;
    use crate::database::location::{Location, Mode};
    use rusqlite::Connection;
    use rusqlite::config::DbConfig;
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    fn made(name: &str) -> Location {
        let file = format!("litemigrate-{name}-{}.db", std::process::id());
        let location = Location::file(std::env::temp_dir().join(file));
        let made = Connection::open(&location.path).unwrap();
        made.execute_batch("CREATE TABLE t (x)").unwrap();
        location
    }

    const LIMITS: Limits = Limits {
        lock_wait: Duration::ZERO,
        deadline: None,
        heartbeat: None,
    };

    /// What follows is written by the connection that has looked.
    #[test]
    fn only_who_may_write_is_given_the_connection() {
        let location = made("access");
        let given = |location, access| {
            let seen = look(location, access, &LIMITS, |_| Ok(())).unwrap();
            seen.unwrap().1
        };
        assert!(given(&location, Access::Look).is_none());
        let read_only = Location {
            mode: Mode::ReadOnly,
            ..location.clone()
        };
        assert!(given(&read_only, Access::LookThenWrite).is_none());
        let connection = given(&location, Access::LookThenWrite).unwrap();
        connection.execute_batch("DROP TABLE t").unwrap();
        std::fs::remove_file(&location.path).unwrap();
    }

    /// The scripts' own schema is, because that is what they run in.
    #[test]
    fn the_schema_is_not_trusted_while_it_is_looked_at() {
        let location = made("trust");
        let trust = |connection: &Connection| {
            let trusted = DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA;
            let defensive = DbConfig::SQLITE_DBCONFIG_DEFENSIVE;
            (
                connection.db_config(trusted).unwrap(),
                connection.db_config(defensive).unwrap(),
            )
        };
        let read = |connection: &Connection| Ok(trust(connection));
        let seen = look(&location, Access::LookThenWrite, &LIMITS, read);
        let (meanwhile, given) = seen.unwrap().unwrap();
        assert_eq!(meanwhile, (false, true));
        assert_eq!(trust(&given.unwrap()), (true, false));
        std::fs::remove_file(&location.path).unwrap();
    }

    /// A database that was changed then, and what is seen of it.
    fn quiet(location: &Location, modified: SystemTime) -> Option<Quiet<'_>> {
        let file = File::options().write(true).open(&location.path).unwrap();
        file.set_modified(modified).unwrap();
        Quiet::observe(location, &file.metadata().unwrap())
    }

    #[test]
    fn only_what_nobody_touches_meanwhile_is_read_as_it_lies() {
        let location = made("quiet");
        let long_ago = SystemTime::now() - Duration::from_secs(60);
        let seen = quiet(&location, long_ago).unwrap();
        assert!(seen.lasted());
        for sidecar in ["-wal", "-journal"] {
            let sidecar = location.sidecar(sidecar);
            fs::write(&sidecar, "something").unwrap();
            assert!(!seen.lasted(), "{sidecar:?}");
            assert!(quiet(&location, long_ago).is_none(), "{sidecar:?}");
            fs::remove_file(&sidecar).unwrap();
        }
        let seen = quiet(&location, long_ago).unwrap();
        let other = Connection::open(&location.path).unwrap();
        other.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        assert!(!seen.lasted());
        fs::remove_file(&location.path).unwrap();
    }

    #[test]
    fn a_change_of_this_moment_is_waited_for() {
        let location = made("moment");
        let now = SystemTime::now();
        assert!(quiet(&location, now).is_some());
        assert!(now.elapsed().unwrap() >= TICK);
        // A time without a fraction does not yet mean that the file system has none.
        let second = now.duration_since(UNIX_EPOCH).unwrap().as_secs();
        let second = UNIX_EPOCH + Duration::from_secs(second);
        assert!(quiet(&location, second).is_some());
        fs::remove_file(&location.path).unwrap();
    }

    #[test]
    fn a_journal_that_is_over_is_not_hot() {
        let location = made("journal");
        let journal = location.sidecar("-journal");
        assert!(!location.has_hot_journal());
        for (content, is_hot) in [("", false), ("\0rest", false), ("\u{d9}rest", true)] {
            fs::write(&journal, content).unwrap();
            assert_eq!(location.has_hot_journal(), is_hot, "{content:?}");
        }
        for file in [journal, location.path] {
            fs::remove_file(file).unwrap();
        }
    }
}
