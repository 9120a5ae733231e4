//! A folder of scripts and a database for one workload at one size, and what is run there.

use oracle::measure::{PATIENCE, cost};
use oracle::scripts::lines;
use rusqlite::Connection;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One workload at one size: a folder of scripts, and a database before the run.
pub struct Stage {
    pub folder: PathBuf,
    pub prepared: PathBuf,
    pub database: PathBuf,
}

/// What is run on a stage: the words after litemigrate's name, and how it ends.
pub struct Run {
    pub words: Vec<String>,
    pub status: i32,
    /// What the shell does first, if it can do the same.
    pub shell: Option<&'static str>,
    /// Whether all scripts are one transaction there.
    pub one: bool,
}

impl Run {
    pub fn new(words: &str) -> Self {
        Self {
            words: words.split_whitespace().map(String::from).collect(),
            status: 0,
            shell: Some("PRAGMA foreign_keys = ON;"),
            one: words.contains("--single-transaction"),
        }
    }

    /// The scripts switch keys off, which does nothing in the shell's transactions.
    pub fn without_keys(mut self) -> Self {
        self.shell = Some("");
        self
    }

    /// The scripts are one transaction in the shell.
    pub fn one_transaction(mut self) -> Self {
        self.one = true;
        self
    }

    pub fn alone(mut self) -> Self {
        self.shell = None;
        self
    }

    pub fn ends_with(mut self, status: i32) -> Self {
        self.status = status;
        self
    }
}

impl Stage {
    pub fn new(work: &Path) -> Self {
        let _ = fs::remove_dir_all(work);
        let folder = work.join("migrations");
        fs::create_dir_all(&folder).expect("a directory");
        Self {
            folder,
            prepared: work.join("prepared.db"),
            database: work.join("app.db"),
        }
    }

    pub fn script(&self, number: usize, text: &str) {
        let path = self.folder.join(format!("{number:06}_t.sql"));
        fs::write(path, text).expect("a script");
    }

    /// n scripts.
    pub fn scripts(&self, n: usize, text: impl Fn(usize) -> String) {
        for number in 1..=n {
            self.script(number, &text(number));
        }
    }

    /// One script: a line for each of 1 to n.
    pub fn lines(&self, n: usize, line: impl Fn(usize) -> String) {
        self.script(1, &lines(n, line));
    }

    /// What the database has before the run.
    pub fn prepare(&self, sql: &str) {
        let database = Connection::open(&self.prepared).expect("a database");
        database
            .execute_batch(&format!("BEGIN;\n{sql}\nCOMMIT;"))
            .expect("it is SQL");
    }

    /// n versions in the history, with a checksum that no file has.
    pub fn history(&self, n: usize) {
        self.prepare(&format!(
            "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL);
             WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {n})
             INSERT INTO _sqlx_migrations SELECT n, 't', CURRENT_TIMESTAMP, 1, zeroblob(48), 1 FROM c;"
        ));
    }

    /// What litemigrate makes of the scripts so far is what the run finds.
    pub fn applied(&self, program: &Path) {
        let ours = Command::new(program)
            .args(["-q", "--single-transaction", "-D"])
            .arg(&self.prepared)
            .arg("-m")
            .arg(&self.folder)
            .status();
        assert!(
            ours.expect("it runs").success(),
            "{}",
            self.folder.display()
        );
    }

    pub fn fresh(&self) {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(format!("{}{suffix}", self.database.display()));
        }
        if self.prepared.exists() {
            fs::copy(&self.prepared, &self.database).expect("a copy");
        }
    }

    /// CPU seconds, the least of a few runs.
    pub fn seconds(&self, command: &Command, status: i32) -> Result<f64, String> {
        let mut least = f64::INFINITY;
        for _ in 0..3 {
            self.fresh();
            let Some(cost) = cost(command) else {
                return Err(format!("> {} s", PATIENCE.as_secs()));
            };
            if cost.status != status {
                return Err(format!("exit {}", cost.status));
            }
            least = least.min(cost.cpu);
            if cost.cpu > 5.0 {
                break;
            }
        }
        Ok(least)
    }

    pub fn ours(&self, program: &Path, run: &Run) -> Command {
        let mut command = Command::new(program);
        command
            .args(&run.words)
            .arg("-D")
            .arg(&self.database)
            .arg("-m")
            .arg(&self.folder)
            .current_dir(self.folder.parent().expect("a parent"));
        command
    }

    /// Each script in a transaction, or all; on a database of its own if that of the run
    /// has what they make.
    pub fn shell(&self, run: &Run, first: &str) -> Command {
        let mut names: Vec<_> = fs::read_dir(&self.folder)
            .expect("a directory")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        names.sort();
        let one = run.one;
        let (begin, commit) = if one {
            ("", "")
        } else {
            ("BEGIN;\n", "COMMIT;\n")
        };
        let mut all = format!("{first}\n{}", if one { "BEGIN;\n" } else { "" });
        for name in names {
            write!(all, "{begin}.read '{}'\n{commit}", name.display()).expect("memory");
        }
        if one {
            all.push_str("COMMIT;\n");
        }
        let file = self.folder.join("../all");
        fs::write(&file, all).expect("a file");
        let mut command = Command::new("sqlite3");
        command
            .arg("-bail")
            .arg(match run.words[0].as_str() {
                "up" => self.database.as_os_str(),
                _ => ":memory:".as_ref(),
            })
            .arg(format!(".read '{}'", file.display()));
        command
    }
}

/// Prepares a stage for n, and says what is run on it.
pub type Make = fn(&Stage, &Path, usize) -> Run;

/// A name, n, and how it is made.
pub type Case = (&'static str, usize, Make);
