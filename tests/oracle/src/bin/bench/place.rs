//! Where the workloads are made, and who runs them.

use oracle::Who;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Place {
    program: PathBuf,
    /// Of the other programs.
    here: PathBuf,
    /// Of all workloads.
    work: PathBuf,
}

/// What is run, and what is there before each run.
pub struct Stage {
    /// Ours is the first.
    pub runners: Vec<(String, Command)>,
    /// Copied before each run.
    pub prepared: Option<PathBuf>,
    pub database: PathBuf,
    /// What a run makes beside the database.
    pub made: Option<PathBuf>,
    /// For the tools that count.
    pub log: PathBuf,
}

impl Stage {
    pub fn fresh(&self) {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(format!("{}{suffix}", self.database.display()));
        }
        if let Some(made) = &self.made {
            let _ = fs::remove_file(made);
        }
        if let Some(prepared) = &self.prepared {
            fs::copy(prepared, &self.database).expect("a copy");
        }
    }

    pub fn run(mut self, name: &str, command: Command) -> Self {
        self.runners.push((String::from(name), command));
        self
    }

    pub fn all(mut self, all: Vec<(String, Command)>) -> Self {
        self.runners.extend(all);
        self
    }

    pub fn making(mut self, made: PathBuf) -> Self {
        self.made = Some(made);
        self
    }
}

impl Place {
    pub fn new(program: PathBuf) -> Self {
        let here = std::env::current_exe().expect("a path");
        let work = std::env::temp_dir().join(format!("litemigrate-bench-{}", std::process::id()));
        fs::create_dir_all(&work).expect("a directory");
        Self {
            program,
            here: here.parent().expect("a parent").to_owned(),
            work,
        }
    }

    /// A path of the workload.
    pub fn path(&self, name: &str) -> PathBuf {
        self.work.join("workload").join(name)
    }

    /// A path of several workloads.
    pub fn kept(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }

    pub fn clear(&self) {
        let _ = fs::remove_dir_all(self.work.join("workload"));
    }

    pub fn remove(&self) {
        let _ = fs::remove_dir_all(&self.work);
    }

    /// The folder of the workload, with these scripts; beside it what the shell reads.
    pub fn folder(&self, scripts: impl Iterator<Item = String>) -> PathBuf {
        let folder = self.path("migrations");
        fs::create_dir_all(&folder).expect("a directory");
        let mut each = String::new();
        let mut one = String::from("BEGIN;\n");
        for (index, script) in scripts.enumerate() {
            let path = folder.join(format!("{:05}_t.sql", index + 1));
            fs::write(&path, script).expect("a script");
            let read = format!(".read '{}'\n", path.display());
            each.push_str(&format!("BEGIN;\n{read}COMMIT;\n"));
            one.push_str(&read);
        }
        one.push_str("COMMIT;\n");
        fs::write(self.path("all"), each).expect("a file");
        fs::write(self.path("one"), one).expect("a file");
        folder
    }

    /// An empty database in WAL mode.
    pub fn wal(&self) -> PathBuf {
        let path = self.path("prepared.db");
        fs::create_dir_all(self.path("")).expect("a directory");
        let database = rusqlite::Connection::open(&path).expect("a database");
        database
            .query_row("PRAGMA journal_mode = WAL", [], |row| {
                row.get::<_, String>(0)
            })
            .expect("the mode");
        path
    }

    /// What there is after all scripts were applied, to this database if it is there.
    pub fn applied(&self, folder: &Path) -> PathBuf {
        let path = self.path("prepared.db");
        let mut command = self.ours(&["up", "-q", "--single-transaction"], folder, &path);
        assert!(command.status().expect("it runs").success());
        path
    }

    pub fn stage(&self, prepared: Option<PathBuf>) -> Stage {
        Stage {
            runners: Vec::new(),
            prepared,
            database: self.database(),
            made: None,
            log: self.path("log"),
        }
    }

    /// What all who are asked do with a folder and this database.
    pub fn all(&self, folder: &Path, database: &Path, who: &[Who]) -> Vec<(String, Command)> {
        let command = |who: Who| who.command(&self.program, &self.here, folder, database);
        who.iter()
            .map(|&who| (String::from(called(who)), command(who)))
            .collect()
    }

    /// dbmate, where it is installed (`make bench` tries to), on scripts with its annotations.
    fn dbmate(&self, folder: &Path, database: PathBuf) -> Option<Command> {
        let program = self.here.join("../../dbmate/bin/dbmate");
        if !program.exists() {
            return None;
        }
        let annotated = folder.with_extension("dbmate");
        if !annotated.exists() {
            fs::create_dir_all(&annotated).expect("a directory");
            for entry in fs::read_dir(folder).expect("a directory") {
                let path = entry.expect("a script").path();
                let text = fs::read_to_string(&path).expect("a script");
                let text = format!("-- migrate:up\n{text}\n-- migrate:down\n");
                let name = path.file_name().expect("a name");
                fs::write(annotated.join(name), text).expect("a script");
            }
        }
        let mut command = Command::new(program);
        command
            .arg("--url")
            .arg(format!("sqlite:{}", database.display()))
            .arg("--migrations-dir")
            .arg(annotated)
            .args(["--no-dump-schema", "up"]);
        Some(command)
    }

    /// Programs on other libraries, where they are built (`make bench` does), and dbmate,
    /// which know only their own histories: each on the database that `of` names.
    pub fn peers(&self, folder: &Path, of: impl Fn(&str) -> PathBuf) -> Vec<(String, Command)> {
        let built = self.here.join("../../peers/release");
        let peers = ["rusqlite_migration", "refinery", "diesel"].into_iter();
        let found = peers.filter_map(|peer| {
            let program = built.join(format!("{peer}_up"));
            program.exists().then(|| {
                let mut command = Command::new(program);
                command.arg(of(peer)).arg(folder);
                (String::from(peer), command)
            })
        });
        let dbmate = self.dbmate(folder, of("dbmate")).into_iter();
        found
            .chain(dbmate.map(|command| (String::from("dbmate"), command)))
            .collect()
    }

    pub fn database(&self) -> PathBuf {
        self.path("app.db")
    }

    pub fn ours(&self, words: &[&str], folder: &Path, database: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words);
        command.arg("-D").arg(database).arg("-m").arg(folder);
        command
    }

    /// On all the databases of a list.
    pub fn ours_on_list(&self, folder: &Path, list: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--databases-from")
            .arg(list)
            .arg("-m")
            .arg(folder);
        command
    }

    /// The shell, on a database and with what it does there.
    pub fn shell(&self, database: &Path, does: &[&str]) -> Command {
        let mut command = Command::new("sqlite3");
        command.arg("-bail").arg(database).args(does);
        command
    }
}

pub fn called(who: Who) -> &'static str {
    match who {
        Who::Us => "litemigrate",
        Who::Sqlx => "sqlx",
        Who::Fork => "SQLPage's fork",
        Who::Shell => "sqlite3 shell",
    }
}
