//! The scripts in a journal mode, and the states that they may leave.
//!
//! Owns the judgement of a state. What each version makes is found out by SQLite itself, which runs the
//! scripts one after the other as its shell would: nothing of litemigrate's judges itself.

use crate::disk::Image;
use crate::fault::Lies;
use crate::mirror;
use crate::scripts::{Action, Found, SCRIPTS, Scripts};
use crate::vfs;
use crate::world::World;
use litemigrate::rusqlite::types::ValueRef;
use litemigrate::rusqlite::{Connection, OpenFlags, Result};
use litemigrate::{Migration, embedded};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The name of the database, and of the backup.
pub const DATABASE: &str = "app.db";
const BACKUP: &str = "backup.db";

/// A case in one journal mode.
pub struct Case {
    pub name: String,
    pub action: Action,
    pub migrations: Vec<Migration>,
    scripts: &'static [(&'static str, &'static str)],
    pragmas: String,
    /// Where its files are real ones, too.
    folder: Option<PathBuf>,
    pub found: Option<Found>,
    /// The disk beforehand.
    pub before: Image,
    /// In the order in which they come to pass.
    pub states: Vec<State>,
}

/// What a database may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// How many steps are done.
    pub steps: usize,
    /// And how many statements of a script that runs outside a transaction.
    pub statements: usize,
    pub held: Held,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Version and checksum of each row of the history.
    pub history: Vec<(i64, Vec<u8>)>,
    /// The schema and the rows of everything else.
    pub content: String,
}

impl Case {
    pub fn all(quick: bool) -> Vec<Self> {
        let modes: &[&str] = if quick {
            &["delete", "wal"]
        } else {
            &["delete", "truncate", "persist", "wal"]
        };
        let pairs = SCRIPTS
            .iter()
            .flat_map(|scripts| modes.iter().map(move |mode| (scripts, mode)));
        pairs
            .filter(|(scripts, mode)| {
                ["delete", "wal"].contains(*mode) || scripts.name == "rebuild"
            })
            .filter(|(scripts, _)| scripts.backup.is_none() || scripts.action == Action::Restore)
            .map(|(scripts, mode)| Self::new(scripts, mode))
            .collect()
    }

    pub fn named(name: &str) -> Option<Self> {
        let (name, mode) = name.split_once('/')?;
        let scripts = SCRIPTS.iter().find(|scripts| scripts.name == name)?;
        Some(Self::new(scripts, mode))
    }

    fn new(scripts: &Scripts, mode: &str) -> Self {
        let pragmas = match mode {
            // It is in the file.
            "wal" => scripts.pragmas.to_owned(),
            _ => format!("{}PRAGMA journal_mode = {mode};", scripts.pragmas),
        };
        let mut case = Self {
            name: format!("{}/{mode}", scripts.name),
            action: scripts.action,
            migrations: embedded(scripts.scripts)
                .expect("the scripts are good")
                .migrations,
            scripts: scripts.scripts,
            pragmas,
            folder: scripts.need_real_files().then(mirror::folder),
            found: scripts.backup.map(|backup| backup.found),
            before: Image::new(),
            states: Vec::new(),
        };
        case.before = case.prepared(scripts, mode == "wal", scripts.applied, "");
        let mut from = case.before.clone();
        if let Some(backup) = scripts.backup {
            let pages = match backup.found {
                Found::OtherPages => "PRAGMA page_size = 1024;",
                Found::Sound | Found::Damaged => "",
            };
            let made = case.prepared(scripts, mode == "wal", backup.version, pages);
            let made = &made[DATABASE];
            case.before.insert(BACKUP.to_owned(), made.clone());
            if backup.found == Found::Damaged
                && let Some(content) = case.before.get_mut(DATABASE)
            {
                content[100..400].fill(0x55);
            }
            from.insert(BACKUP.to_owned(), made.clone());
            if scripts.action == Action::Up {
                from.insert(DATABASE.to_owned(), made.clone());
            }
        }
        if scripts.setup.is_empty() && scripts.applied == 0 && mode != "wal" {
            case.before.clear();
        }
        if scripts.setup.is_empty() && scripts.applied == 0 && mode != "wal" {
            from.clear();
        }
        let world = case.world(&from, Lies::default());
        world.alone(|| case.foresee()).expect("a case");
        case
    }

    /// A machine for it.
    pub fn world(&self, image: &Image, lies: Lies) -> Arc<World> {
        World::new(image, lies, self.folder.as_deref())
    }

    fn prepared(&self, scripts: &Scripts, wal: bool, applied: i64, pragmas: &str) -> Image {
        let world = self.world(&Image::new(), Lies::default());
        world
            .alone(|| self.prepare(scripts, wal, applied, pragmas))
            .expect("a case");
        world.state().disk.seen()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        let folder = self.folder.clone();
        folder
            .unwrap_or_else(|| PathBuf::from("/simulated"))
            .join(name)
    }

    /// The database, and the backup that is copied back over it.
    pub fn restored(&self) -> [PathBuf; 2] {
        [self.path(DATABASE), self.path(BACKUP)]
    }

    /// A process opens the database.
    pub fn open(&self) -> Result<Connection> {
        self.open_file(DATABASE)
    }

    fn open_file(&self, name: &str) -> Result<Connection> {
        let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags_and_vfs(self.path(name), flags, vfs::NAME)?;
        // A process waits for others here, too.
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.execute_batch(&self.pragmas)?;
        Ok(connection)
    }

    fn text(&self, migration: &Migration) -> &'static str {
        let name = migration.path.to_string_lossy();
        let found = self.scripts.iter().find(|(file, _)| *file == name);
        found.expect("a script").1
    }

    /// The scripts in the order in which a run takes them, with the history's change.
    pub fn steps(&self) -> Vec<(&Migration, &'static str)> {
        let is_down = |migration: &Migration| migration.path.to_string_lossy().contains(".down.");
        let down = self.action == Action::Down;
        let chosen = self
            .migrations
            .iter()
            .filter(|migration| is_down(migration) == down);
        let mut steps: Vec<_> = chosen
            .map(|migration| (migration, self.text(migration)))
            .collect();
        if down {
            steps.reverse();
        }
        steps
    }

    fn prepare(&self, scripts: &Scripts, wal: bool, applied: i64, pragmas: &str) -> Result<()> {
        let connection = self.open()?;
        connection.execute_batch(pragmas)?;
        if wal {
            connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        }
        connection.execute_batch("PRAGMA foreign_keys = ON")?;
        connection.execute_batch(scripts.setup)?;
        for migration in &self.migrations {
            let is_down = migration.path.to_string_lossy().contains(".down.");
            if migration.version <= applied && !is_down {
                connection.execute_batch(self.text(migration))?;
                create_history(&connection)?;
                insert(&connection, migration)?;
            }
        }
        if let Action::Repair(version) = self.action {
            let wrong = "UPDATE _sqlx_migrations SET checksum = zeroblob(48) WHERE version = ?1";
            connection.execute(wrong, [version])?;
        }
        Ok(())
    }

    /// Finds the states.
    fn foresee(&mut self) -> Result<()> {
        let connection = self.open()?;
        let mut states = vec![State {
            steps: 0,
            statements: 0,
            held: held(&connection)?,
        }];
        connection.execute_batch("PRAGMA foreign_keys = ON")?;
        let mut steps = 0;
        let applied: Vec<i64> = states[0].held.history.iter().map(|row| row.0).collect();
        match self.action {
            Action::Up | Action::UpTogether | Action::Down => {
                for (migration, text) in self.steps() {
                    if self.action != Action::Down && applied.contains(&migration.version) {
                        continue;
                    }
                    if text.starts_with("-- no-transaction") {
                        for (number, statement) in text.split_inclusive(';').enumerate() {
                            connection.execute_batch(statement)?;
                            let statements = number + 1;
                            states.push(State {
                                steps,
                                statements,
                                held: held(&connection)?,
                            });
                        }
                    } else {
                        connection.execute_batch(text)?;
                        connection.execute_batch("PRAGMA foreign_keys = ON")?;
                    }
                    create_history(&connection)?;
                    if self.action == Action::Down {
                        let remove = "DELETE FROM _sqlx_migrations WHERE version = ?1";
                        connection.execute(remove, [migration.version])?;
                    } else {
                        insert(&connection, migration)?;
                    }
                    steps += 1;
                    states.push(State {
                        steps,
                        statements: 0,
                        held: held(&connection)?,
                    });
                }
            }
            Action::Baseline(to) => {
                create_history(&connection)?;
                for migration in self.migrations.iter().filter(|m| m.version <= to) {
                    insert(&connection, migration)?;
                }
                states.push(State {
                    steps: 1,
                    statements: 0,
                    held: held(&connection)?,
                });
            }
            Action::Restore => {
                let backup = self.open_file(BACKUP)?;
                states.push(State {
                    steps: 1,
                    statements: 0,
                    held: held(&backup)?,
                });
            }
            Action::Repair(version) => {
                let right = "UPDATE _sqlx_migrations SET checksum = ?2 WHERE version = ?1";
                let found = self.migrations.iter().find(|m| m.version == version);
                let checksum = &found.expect("a version").checksum.0[..];
                connection.execute(right, (version, checksum))?;
                states.push(State {
                    steps: 1,
                    statements: 0,
                    held: held(&connection)?,
                });
            }
        }
        if self.action == Action::UpTogether {
            let last = states.len() - 1;
            states.drain(1..last);
        }
        self.states = states;
        Ok(())
    }

    pub fn last(&self) -> &State {
        self.states.last().expect("a state")
    }

    /// Which state this is.
    pub fn place(&self, held: &Held) -> Result<&State, String> {
        let found = self.states.iter().rev().find(|state| state.held == *held);
        found.ok_or_else(|| {
            let versions = |held: &Held| held.history.iter().map(|row| row.0).collect::<Vec<_>>();
            let alike = self
                .states
                .iter()
                .find(|state| versions(&state.held) == versions(held));
            let expected = alike.map_or("", |state| &state.held.content);
            let only_in = |one: &str, other: &str, sign: &str| -> String {
                let lines = one
                    .lines()
                    .filter(|line| !other.lines().any(|known| known == *line));
                lines.map(|line| format!("{sign} {line}\n")).collect()
            };
            format!(
                "half done: history {:?}, where it is not what that makes:\n{}{}",
                versions(held),
                only_in(expected, &held.content, "-"),
                only_in(&held.content, expected, "+"),
            )
        })
    }
}

pub fn create_history(connection: &Connection) -> Result<()> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
)",
    )
}

pub fn insert(connection: &Connection, migration: &Migration) -> Result<()> {
    let row = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (?1, ?2, TRUE, ?3, 1000)";
    let values = (
        migration.version,
        &migration.description,
        &migration.checksum.0[..],
    );
    connection.execute(row, values).map(|_| ())
}

fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(text) => format!("'{}'", String::from_utf8_lossy(text)),
        other => format!("{other:?}"),
    }
}

/// Everything that a database holds.
pub fn held(connection: &Connection) -> Result<Held> {
    let mut schema = connection.prepare(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE tbl_name != '_sqlx_migrations' ORDER BY type, name",
    )?;
    let mut content = String::new();
    let mut tables = Vec::new();
    let mut rows = schema.query([])?;
    while let Some(row) = rows.next()? {
        let [kind, name, of]: [String; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
        let sql: Option<String> = row.get(3)?;
        content.push_str(&format!("{kind} {name} {of} {}\n", sql.unwrap_or_default()));
        // The application's own rows come and go.
        if kind == "table" && name != "app_log" {
            tables.push(name);
        }
    }
    for table in tables {
        content.push_str(&format!("{table}:\n"));
        let mut statement = connection.prepare(&format!("SELECT * FROM \"{table}\" ORDER BY 1"))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                content.push_str(&format!("{} ", shown(row.get_ref(column)?)));
            }
            content.push('\n');
        }
    }
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    content.push_str(&format!("user_version {version}\n"));
    let history = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    let mut found = Vec::new();
    if connection.query_row(history, [], |row| row.get::<_, i64>(0))? > 0 {
        let mut statement = connection.prepare(
            "SELECT version, checksum FROM _sqlx_migrations WHERE success AND execution_time >= 0 ORDER BY version",
        )?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        found = rows.collect::<Result<_>>()?;
    }
    Ok(Held {
        history: found,
        content,
    })
}
