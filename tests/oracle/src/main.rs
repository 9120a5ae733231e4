//! Runs litemigrate, the real sqlx and SQLPage's fork of it on the same folders,
//! in every order, and compares what they say and what they leave behind.
//!
//! `oracle PROGRAM FIXTURES`: PROGRAM is litemigrate, the other two are beside
//! this one. Writes `FIXTURES/interop`: the histories that the real ones make.

mod cases;
mod tables;

use cases::{Case, Verdict, cases};
use oracle::Who;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const EVERYBODY: [Who; 3] = [Who::Us, Who::Sqlx, Who::Fork];

/// A program that runs for longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(30);

struct Oracle {
    program: PathBuf,
    here: PathBuf,
    work: PathBuf,
    checks: usize,
    failures: Vec<String>,
}

impl Oracle {
    /// Runs one of them on `folder` and `database`; what it said if it refused.
    fn run(&self, who: Who, database: &Path, folder: &Path) -> Result<(), String> {
        let mut command = who.command(&self.program, &self.here, folder, database);
        command
            .env_clear()
            // Scripts may make files beside us.
            .current_dir(&self.work)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the programs run");
        let clock = Instant::now();
        while child.try_wait().expect("a child").is_none() {
            if clock.elapsed() > PATIENCE {
                let _ = child.kill();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let output = child.wait_with_output().expect("a child");
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        self.checks += 1;
        if !holds {
            self.failures.push(what());
        }
    }

    fn case(&mut self, case: &Case) {
        let name = case.name;
        for first in EVERYBODY {
            let mut left: Vec<(Who, Result<(), String>, String)> = Vec::new();
            for second in EVERYBODY {
                let directory = self.work.join(format!("{name}-{first:?}-{second:?}"));
                let (before, after) = (directory.join("before"), directory.join("after"));
                let database = directory.join("app.db");
                write_folder(&before, &case.before);
                write_folder(&after, &case.after);
                let _ = fs::remove_file(&database);
                if !case.before.is_empty() {
                    let result = self.run(first, &database, &before);
                    self.check(result.is_ok(), || {
                        format!("{name}: {first:?} cannot begin: {result:?}")
                    });
                }
                if !case.sql.is_empty() {
                    Connection::open(&database)
                        .and_then(|db| db.execute_batch(case.sql))
                        .expect(name);
                }
                let result = self.run(second, &database, &after);
                let wanted = case.verdict(second);
                self.check(result.is_ok() == (wanted == Verdict::Accepts), || {
                    format!("{name}: {first:?} then {second:?}: wanted {wanted:?}, got {result:?}")
                });
                let found = dump(&database);
                if result.is_ok() {
                    // Whoever comes third has nothing to do, and changes nothing.
                    for third in EVERYBODY {
                        let again = self.run(third, &database, &after);
                        let wanted = case.verdict(third);
                        if wanted == Verdict::Accepts {
                            self.check(again.is_ok(), || {
                                format!("{name}: {first:?}, {second:?}, then {third:?}: {again:?}")
                            });
                            let now = dump(&database);
                            self.check(now == found, || format!("{name}: {first:?}, {second:?}, then {third:?} changed:\n{found}\n{now}"));
                        }
                    }
                }
                left.push((second, result, found));
            }
            let mut accepted = left.iter().filter(|(_, result, _)| result.is_ok());
            if let Some((who, _, reference)) = accepted.next() {
                for (other, _, found) in accepted {
                    self.check(found == reference, || format!("{name}: after {first:?}, {who:?} leaves\n{reference}\nbut {other:?} leaves\n{found}"));
                }
            }
        }
    }

    /// SQLPage's comparisons and functions: its own code must find whole what we
    /// wrote, must say what our functions say, and must refuse what we refuse.
    fn sqlpage_connections(&mut self) {
        let directory = self.work.join("connections");
        let folder = directory.join("migrations");
        let database = directory.join("app.db");
        write_folder(&folder, &cases::unicode());
        let ours = Command::new(&self.program)
            .args(["--profile", "sqlpage", "-D"])
            .arg(&database)
            .arg("-m")
            .arg(&folder)
            .env_clear()
            .output()
            .expect("the program runs");
        self.check(ours.status.success(), || {
            String::from_utf8_lossy(&ours.stderr).into_owned()
        });
        let fork = |statement: &str| {
            let output = Command::new(self.here.join("sqlpage_up"))
                .arg(&database)
                .arg(&folder)
                .args(["sql", statement])
                .output()
                .expect("the fork runs");
            (
                output.status.success(),
                String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            )
        };
        let whole = fork("PRAGMA integrity_check");
        let same = fork(
            "SELECT group_concat(name) FROM words WHERE upper(name) IS NOT up OR lower(name) IS NOT low OR upper(NULL) IS NOT NULL OR upper(number) IS NOT number_up",
        );
        let refused: Vec<bool> = [
            "SELECT upper()",
            "SELECT lower(x'ff')",
            "CREATE INDEX refused ON words (lower(name))",
        ]
        .iter()
        .map(|statement| !fork(statement).0)
        .collect();
        self.check(whole == (true, "ok".to_owned()), || {
            format!("the fork's integrity_check says {whole:?}")
        });
        self.check(same.1.is_empty(), || {
            format!("the fork's functions differ for {same:?}")
        });
        self.check(refused == [true; 3], || {
            format!("the fork refuses {refused:?}")
        });
        // The other way round: what the fork wrote, seen by our connection.
        let _ = fs::remove_file(&database);
        let applied = self.run(Who::Fork, &database, &folder);
        self.check(applied.is_ok(), || format!("{applied:?}"));
        fs::write(
            folder.join("3_check.sql"),
            "CREATE TABLE verdict (said);\nINSERT INTO verdict SELECT * FROM pragma_integrity_check;\n",
        )
        .expect("a file");
        let ours = Command::new(&self.program)
            .args(["--profile", "sqlpage", "-D"])
            .arg(&database)
            .arg("-m")
            .arg(&folder)
            .output()
            .expect("the program runs");
        let verdict: String = Connection::open(&database)
            .and_then(|connection| {
                connection.query_row("SELECT said FROM verdict", [], |row| row.get(0))
            })
            .unwrap_or_default();
        self.check(verdict == "ok", || {
            format!("we find in what the fork wrote: {verdict} {ours:?}")
        });
    }

    /// down, baseline and repair leave what sqlx expects, and down what its undo leaves.
    fn history_by_hand(&mut self) {
        let reversible: Vec<(String, Vec<u8>)> = (1..=3)
            .flat_map(|n| {
                [
                    (format!("{n}_t.up.sql"), format!("CREATE TABLE t{n} (x);\n")),
                    (format!("{n}_t.down.sql"), format!("DROP TABLE t{n};\n")),
                ]
            })
            .map(|(name, text)| (name, text.into_bytes()))
            .collect();
        let folder = self.work.join("by-hand");
        write_folder(&folder, &reversible);
        let databases = [self.work.join("ours.db"), self.work.join("theirs.db")];
        for database in &databases {
            let applied = self.run(Who::Us, database, &folder);
            self.check(applied.is_ok(), || format!("{applied:?}"));
        }
        let ours = |arguments: &[&str], program: &Path, database: &Path, folder: &Path| {
            let mut command = Command::new(program);
            command
                .args(arguments)
                .arg("-D")
                .arg(database)
                .arg("-m")
                .arg(folder)
                .env_clear();
            command
                .stdout(Stdio::null())
                .status()
                .expect("we run")
                .success()
        };
        let program = self.program.clone();
        self.check(
            ours(&["down", "--to", "1"], &program, &databases[0], &folder),
            || "down fails".to_owned(),
        );
        let undone = Command::new(self.here.join("sqlx_up"))
            .arg(&databases[1])
            .arg(&folder)
            .args(["undo", "1"])
            .status();
        self.check(undone.is_ok_and(|status| status.success()), || {
            "sqlx cannot undo".to_owned()
        });
        let (left, right) = (dump(&databases[0]), dump(&databases[1]));
        self.check(left == right, || {
            format!("down leaves\n{left}\nbut undo leaves\n{right}")
        });
        for who in [Who::Sqlx, Who::Us] {
            let again = self.run(who, &databases[0], &folder);
            self.check(again.is_ok(), || format!("after down, {who:?}: {again:?}"));
        }
        let database = self.work.join("baseline.db");
        Connection::open(&database)
            .and_then(|db| db.execute_batch("CREATE TABLE t1 (x); CREATE TABLE t2 (x)"))
            .expect("a database");
        self.check(
            ours(&["baseline", "2"], &program, &database, &folder),
            || "baseline fails".to_owned(),
        );
        for who in [Who::Sqlx, Who::Fork, Who::Us] {
            let result = self.run(who, &database, &folder);
            self.check(result.is_ok(), || {
                format!("after baseline, {who:?}: {result:?}")
            });
        }
        fs::write(
            folder.join("1_t.up.sql"),
            "CREATE TABLE t1 (x); -- edited\n",
        )
        .expect("a file");
        fs::remove_file(folder.join("2_t.up.sql")).expect("a file");
        fs::remove_file(folder.join("2_t.down.sql")).expect("a file");
        let before = self.run(Who::Sqlx, &database, &folder);
        self.check(before.is_err(), || {
            "sqlx accepts what needs repair".to_owned()
        });
        self.check(
            ours(&["repair", "1", "2"], &program, &database, &folder),
            || "repair fails".to_owned(),
        );
        for who in [Who::Sqlx, Who::Fork, Who::Us] {
            let result = self.run(who, &database, &folder);
            self.check(result.is_ok(), || {
                format!("after repair, {who:?}: {result:?}")
            });
        }
    }

    /// A folder of the fixtures: nobody wrote down what must happen, but whoever
    /// accepts it must leave the same.
    fn folder(&mut self, name: &str, folder: &Path, differs: bool) {
        let mut left = Vec::new();
        for who in EVERYBODY {
            let directory = self.work.join(format!("fixture-{name}-{who:?}"));
            fs::create_dir_all(&directory).expect("a directory");
            let database = directory.join("app.db");
            let _ = fs::remove_file(&database);
            let result = self.run(who, &database, folder);
            if result.is_ok() {
                for other in EVERYBODY {
                    let again = self.run(other, &database, folder);
                    if !differs {
                        self.check(again.is_ok(), || {
                            format!("{name}: {who:?} then {other:?}: {again:?}")
                        });
                    }
                }
            }
            left.push((who, result, dump(&database)));
        }
        if differs {
            return;
        }
        for (who, result, found) in &left {
            self.check(result.is_ok() == left[0].1.is_ok(), || {
                format!(
                    "{name}: {:?} and {who:?} disagree: {:?} {result:?}",
                    left[0].0, left[0].1
                )
            });
            if result.is_ok() && left[0].1.is_ok() {
                self.check(*found == left[0].2, || {
                    format!(
                        "{name}: we leave\n{}\nbut {who:?} leaves\n{found}",
                        left[0].2
                    )
                });
            }
        }
    }

    /// Writes the histories that the real ones make for a folder of the fixtures.
    fn write_interop(&mut self, name: &str, folder: &Path, fixtures: &Path) {
        for (who, file) in [(Who::Sqlx, "sqlx"), (Who::Fork, "sqlpage")] {
            let directory = self.work.join(format!("interop-{name}-{file}"));
            fs::create_dir_all(&directory).expect("a directory");
            let database = directory.join("app.db");
            let _ = fs::remove_file(&database);
            let result = self.run(who, &database, folder);
            self.check(result.is_ok(), || {
                format!("interop {name}: {who:?}: {result:?}")
            });
            let connection = Connection::open(&database).expect("a database");
            let mut text = table_sql(&connection) + ";\n";
            for row in rows(
                &connection,
                "SELECT version, description, success, checksum FROM _sqlx_migrations ORDER BY version",
            ) {
                let _ = writeln!(
                    text,
                    "INSERT INTO _sqlx_migrations VALUES ({}, {}, '2026-01-31 12:00:00', {}, {}, 1000);",
                    row[0], row[1], row[2], row[3]
                );
            }
            let target = fixtures.join("interop").join(format!("{name}.{file}.sql"));
            fs::create_dir_all(target.parent().expect("a parent")).expect("a directory");
            fs::write(target, text).expect("a file");
        }
    }
}

fn write_folder(path: &Path, files: &[(String, Vec<u8>)]) {
    let _ = fs::remove_dir_all(path);
    fs::create_dir_all(path).expect("a directory");
    for (name, content) in files {
        fs::write(path.join(name), content).expect("a file");
    }
}

fn table_sql(connection: &Connection) -> String {
    let query = "SELECT sql FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    connection
        .query_row(query, [], |row| row.get(0))
        .unwrap_or_default()
}

/// Rows as SQL literals.
fn rows(connection: &Connection, query: &str) -> Vec<Vec<String>> {
    let mut statement = match connection.prepare(query) {
        Ok(statement) => statement,
        Err(error) => return vec![vec![error.to_string()]],
    };
    let columns = statement.column_count();
    let mut found = Vec::new();
    let mut rows = statement.raw_query();
    while let Ok(Some(row)) = rows.next() {
        let literal = |column| match row.get::<_, Value>(column) {
            Ok(Value::Null) => "NULL".to_owned(),
            Ok(Value::Integer(value)) => value.to_string(),
            Ok(Value::Real(value)) => format!("{value:?}"),
            Ok(Value::Text(text)) => format!("'{}'", text.replace('\'', "''")),
            Ok(Value::Blob(bytes)) => format!(
                "x'{}'",
                bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()
            ),
            Err(error) => error.to_string(),
        };
        found.push((0..columns).map(literal).collect());
    }
    found
}

/// Everything but when and how fast: the schema to the byte, every row of every
/// table, and of the history all columns except `installed_on` and
/// `execution_time`, which must have the form that sqlx gives them.
fn dump(database: &Path) -> String {
    if !database.exists() {
        return String::new();
    }
    let connection = Connection::open(database).expect("a database");
    // So that indexes on expressions of SQLPage's functions can be read.
    for name in ["upper", "lower"] {
        let flags = rusqlite::functions::FunctionFlags::SQLITE_UTF8;
        let upper = name == "upper";
        let _ = connection.create_scalar_function(name, -1, flags, move |context| {
            let text: Option<String> = context.get(0)?;
            Ok(text.map(|text| {
                if upper {
                    text.to_uppercase()
                } else {
                    text.to_lowercase()
                }
            }))
        });
    }
    let mut out = String::new();
    for row in rows(
        &connection,
        "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name, type",
    ) {
        let _ = writeln!(out, "{}", row.join("|"));
    }
    for pragma in [
        "user_version",
        "application_id",
        "journal_mode",
        "encoding",
        "page_size",
        "integrity_check",
    ] {
        let _ = writeln!(
            out,
            "{pragma} {:?}",
            rows(&connection, &format!("PRAGMA {pragma}"))
        );
    }
    for table in rows(
        &connection,
        "SELECT '\"' || replace(name, '\"', '\"\"') || '\"' FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name",
    ) {
        let table = table[0].trim_matches('\'');
        let history = format!(
            "SELECT version, description, typeof(installed_on), length(installed_on) = 19, success, typeof(success), checksum, typeof(checksum), typeof(execution_time) FROM {table} ORDER BY version"
        );
        // Another table than a history has no such columns.
        let query = match connection.prepare(&history) {
            Ok(_) => history,
            Err(_) => format!("SELECT * FROM {table}"),
        };
        let mut lines: Vec<String> = rows(&connection, &query)
            .iter()
            .map(|row| row.join("|"))
            .collect();
        lines.sort();
        let _ = writeln!(out, "{table}\n  {}", lines.join("\n  "));
    }
    out
}

/// Every folder below `directory` that holds a script.
fn folders(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    let mut has_script = false;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            folders(&path, found);
        } else {
            has_script |= path.extension().is_some_and(|extension| extension == "sql")
                && path
                    .file_name()
                    .is_some_and(|name| name.to_string_lossy().contains('_'));
        }
    }
    if has_script {
        found.push(directory.to_owned());
    }
}

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    // They run elsewhere.
    let real = |path: std::ffi::OsString| fs::canonicalize(path).expect("a path");
    let program = real(arguments.next().expect("the program"));
    let fixtures = real(arguments.next().expect("the fixtures"));
    let here = std::env::current_exe()
        .expect("a path")
        .parent()
        .expect("a parent")
        .to_owned();
    let work = std::env::temp_dir().join(format!("litemigrate-oracle-{}", std::process::id()));
    let mut oracle = Oracle {
        program,
        here,
        work,
        checks: 0,
        failures: Vec::new(),
    };
    let cases = cases();
    for case in &cases {
        oracle.case(case);
    }
    oracle.sqlpage_connections();
    oracle.history_by_hand();
    oracle.histories_of_other_names();
    let mut found = Vec::new();
    folders(&fixtures, &mut found);
    found.retain(|folder| !folder.ends_with("interop") && !folder.ends_with("quickstart"));
    found.sort();
    for folder in &found {
        let relative = folder
            .strip_prefix(&fixtures)
            .expect("below")
            .to_string_lossy()
            .replace('/', "-");
        let differs = cases::FIXTURES_THAT_DIFFER
            .iter()
            .any(|(name, _)| relative.contains(name));
        oracle.folder(&relative, folder, differs);
    }
    oracle.write_interop(
        "quickstart",
        &fixtures.join("quickstart/sqlpage/migrations"),
        &fixtures,
    );
    let spellings = fixtures.join("interop/spellings");
    write_folder(&spellings, &cases::spellings());
    oracle.write_interop("spellings", &spellings, &fixtures);
    let _ = fs::remove_dir_all(&oracle.work);
    for failure in &oracle.failures {
        eprintln!("{failure}\n");
    }
    println!(
        "{} cases, {} fixture folders: {} passed, {} failed",
        cases.len(),
        found.len(),
        oracle.checks - oracle.failures.len(),
        oracle.failures.len()
    );
    std::process::exit(i32::from(!oracle.failures.is_empty()));
}
