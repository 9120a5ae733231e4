//! Does looking leave everything as it was?

use crate::support::{Sandbox, program, query, root};
use litemigrate::rusqlite::Connection;
use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Everything that a write would change.
fn state(sandbox: &Sandbox) -> Vec<(String, u64, i64, i64, Vec<u8>)> {
    sandbox
        .files()
        .into_iter()
        .filter(|name| name != "migrations")
        .map(|name| {
            let path = sandbox.path.join(&name);
            let metadata = path.metadata().unwrap();
            (
                name,
                metadata.ino(),
                metadata.mtime(),
                metadata.mtime_nsec(),
                std::fs::read(path).unwrap(),
            )
        })
        .collect()
}

fn sandbox(journal_mode: &str) -> Sandbox {
    let sandbox = Sandbox::new("look");
    sandbox.script("1_a.sql", "CREATE TABLE a (x);\n");
    sandbox.script("2_b.sql", "CREATE TABLE b (x);\n");
    query(
        &sandbox.database(),
        &format!("PRAGMA journal_mode = {journal_mode}"),
    );
    sandbox
}

#[test]
fn runs_with_nothing_to_do_and_looks_write_nothing() {
    for journal_mode in ["delete", "truncate", "wal"] {
        let sandbox = sandbox(journal_mode);
        sandbox.expect(0, &["up"]);
        let directory = sandbox.path.metadata().unwrap().mtime_nsec();
        let before = state(&sandbox);
        for arguments in [
            &["up"][..],
            &["status"],
            &["check"],
            &["up", "--json"],
            &["check", "--json"],
        ] {
            sandbox.expect(0, arguments);
            assert!(
                state(&sandbox) == before,
                "{journal_mode}: {arguments:?} changed something"
            );
            // A sidecar that comes and goes changes the directory.
            let now = sandbox.path.metadata().unwrap().mtime_nsec();
            assert_eq!(
                now, directory,
                "{journal_mode}: {arguments:?} made a file and removed it"
            );
        }
    }
}

#[test]
fn what_a_live_writer_committed_is_seen() {
    let (sandbox, writer) = live();
    assert!(sandbox.path.join("app.db-wal").metadata().unwrap().len() > 0);
    sandbox.expect(3, &["check"]);
    sandbox.expect(0, &["up"]);
    sandbox.expect(0, &["check"]);
    assert_eq!(query(&writer, "SELECT count(*) FROM _sqlx_migrations"), "2");
}

/// A writer opens, commits and closes in a loop, so that its `-wal` comes and
/// goes and what it did moves into the file at any moment of our looks. Each
/// look must see a state that the writer committed: never the table without its
/// rows, never an error.
#[test]
fn a_writer_that_comes_and_goes_is_never_misread() {
    let sandbox = sandbox("wal");
    sandbox.expect(0, &["up"]);
    let (checksum, stop) = (
        sandbox.query("SELECT hex(checksum) FROM _sqlx_migrations WHERE version = 2"),
        std::sync::atomic::AtomicBool::new(false),
    );
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let writer = sandbox.database();
                writer.busy_timeout(Duration::from_secs(30)).unwrap();
                let sql = format!("BEGIN IMMEDIATE; DELETE FROM _sqlx_migrations WHERE version = 2; DROP TABLE IF EXISTS filler; COMMIT; BEGIN IMMEDIATE; CREATE TABLE filler AS SELECT randomblob(9000); INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (2, 'b', 1, x'{checksum}', 1); COMMIT");
                writer.execute_batch(&sql).unwrap();
            }
        });
        let mut seen = [0, 0];
        for _ in 0..150 {
            let output = sandbox.run(&["check", "--lock-wait", "30"]);
            match output.status.code() {
                Some(0) => seen[0] += 1,
                Some(3) => seen[1] += 1,
                code => {
                    stop.store(true, std::sync::atomic::Ordering::Relaxed);
                    panic!("{code:?} {}", String::from_utf8_lossy(&output.stderr));
                }
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(seen[0] > 0, "{seen:?}");
    });
}

#[test]
fn a_rollback_journal_left_by_a_crash_is_rolled_back_by_a_look() {
    crash_and_look(false);
}

/// As a restore leaves it that was cut off: the header that it has written says WAL.
#[test]
fn a_rollback_journal_beside_a_header_that_says_wal_is_rolled_back_too() {
    crash_and_look(true);
}

fn crash_and_look(header_says_wal: bool) {
    let sandbox = sandbox("delete");
    sandbox.expect(0, &["up"]);
    // A hot journal, made by copying the files in the middle of a transaction.
    let writer = sandbox.database();
    writer.execute_batch("PRAGMA cache_size = 1; BEGIN; CREATE TABLE big AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 500) SELECT x, randomblob(1000) AS y FROM n").unwrap();
    let crashed = Sandbox::new("look-crashed");
    for (name, ..) in state(&sandbox) {
        std::fs::copy(sandbox.path.join(&name), crashed.path.join(&name)).unwrap();
    }
    std::fs::create_dir(crashed.path.join("migrations")).unwrap();
    for name in ["1_a.sql", "2_b.sql"] {
        std::fs::copy(
            sandbox.path.join("migrations").join(name),
            crashed.path.join("migrations").join(name),
        )
        .unwrap();
    }
    assert!(
        crashed
            .path
            .join("app.db-journal")
            .metadata()
            .unwrap()
            .len()
            > 0
    );
    if header_says_wal {
        let file = crashed.path.join("app.db");
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[18..20].copy_from_slice(&[2, 2]);
        std::fs::write(&file, bytes).unwrap();
    }
    // Who may not write cannot roll it back.
    let before = state(&crashed);
    crashed.expect(77, &["check", "-D", "sqlite:app.db?mode=ro"]);
    assert!(state(&crashed) == before);
    crashed.expect(0, &["check"]);
    assert_eq!(
        crashed.query("SELECT count(*) FROM sqlite_schema WHERE name = 'big'"),
        "0"
    );
    assert_eq!(crashed.query("PRAGMA integrity_check"), "ok");
}

/// A database in WAL mode, and a writer whose commit is in its `-wal` only.
fn live() -> (Sandbox, Connection) {
    let sandbox = sandbox("wal");
    sandbox.expect(0, &["up", "--to", "1"]);
    let writer = sandbox.database();
    writer
        .execute_batch("PRAGMA wal_autocheckpoint = 0; CREATE TABLE kept_in_wal (x)")
        .unwrap();
    (sandbox, writer)
}

/// A database in WAL mode whose writer was cut off, as it leaves it.
fn cut_off() -> Sandbox {
    let (sandbox, writer) = live();
    let names = ["app.db", "app.db-wal", "app.db-shm"];
    for name in names {
        let copy = sandbox.path.join(format!("copy-{name}"));
        std::fs::copy(sandbox.path.join(name), copy).unwrap();
    }
    drop(writer);
    for name in names {
        let copy = sandbox.path.join(format!("copy-{name}"));
        std::fs::rename(copy, sandbox.path.join(name)).unwrap();
    }
    sandbox
}

#[test]
fn a_wal_left_by_a_crash_is_read_and_stays() {
    let crashed = cut_off();
    let state = || {
        let mut state = state(&crashed);
        state.retain(|(name, ..)| name != "app.db-shm");
        state
    };
    let before = state();
    crashed.script("2_b.sql", "SELECT nosuch;\n");
    crashed.expect(3, &["check"]);
    assert!(state() == before);
}

/// Shared memory can be made by nobody there. What is in a `-wal` cannot be left out.
#[test]
fn a_wal_in_a_read_only_directory_is_not_passed_over() {
    let base = std::env::temp_dir().join(format!("litemigrate-look-wal-{}", std::process::id()));
    for is_empty in [false, true] {
        let crashed = cut_off();
        let _ = std::fs::remove_dir_all(&base);
        std::fs::create_dir_all(base.join("migrations")).unwrap();
        std::fs::copy(program(), base.join("program")).unwrap();
        for name in ["app.db", "app.db-wal", "migrations/1_a.sql"] {
            std::fs::copy(crashed.path.join(name), base.join(name)).unwrap();
        }
        if is_empty {
            std::fs::write(base.join("app.db-wal"), "").unwrap();
        }
        std::fs::set_permissions(&base, Permissions::from_mode(0o555)).unwrap();
        let output = as_nobody(&base.join("program"), &base, &["check"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let code = if is_empty { 0 } else { 77 };
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert_eq!(
            stderr.contains("what was written last is in"),
            !is_empty,
            "{stderr}"
        );
        std::fs::set_permissions(&base, Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::remove_dir_all(&base).unwrap();
}

/// Runs the program as somebody who may not write: as `nobody` if we are root.
fn as_nobody(program: &Path, directory: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .args(["-D", "app.db", "-m", "migrations"])
        .current_dir(directory)
        .env_clear();
    if directory.metadata().unwrap().uid() == 0 {
        command.uid(65534).gid(65534);
    }
    // Another test may have forked while the program was being copied: until that child
    // runs what it was forked for, the file counts as open for writing (ETXTBSY).
    loop {
        match command.output() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(Duration::from_millis(10));
            }
            output => return output.unwrap(),
        }
    }
}

#[test]
fn a_read_only_directory_can_be_looked_at_and_refuses_to_be_written() {
    // Not below the checkout, which others may not be able to enter.
    let base = std::env::temp_dir().join(format!("litemigrate-look-{}", std::process::id()));
    for journal_mode in ["delete", "wal"] {
        let sandbox = sandbox(journal_mode);
        sandbox.expect(0, &["up", "--to", "1"]);
        let _ = std::fs::remove_dir_all(&base);
        std::fs::create_dir_all(base.join("migrations")).unwrap();
        std::fs::copy(program(), base.join("program")).unwrap();
        for name in ["app.db", "migrations/1_a.sql", "migrations/2_b.sql"] {
            std::fs::copy(sandbox.path.join(name), base.join(name)).unwrap();
        }
        std::fs::set_permissions(base.join("app.db"), Permissions::from_mode(0o444)).unwrap();
        std::fs::set_permissions(&base, Permissions::from_mode(0o555)).unwrap();
        let program = base.join("program");
        for (arguments, code) in [
            (&["status"][..], 0),
            (&["check"], 3),
            (&["up", "--to", "1"], 0),
            (&["up"], 77),
        ] {
            let output = as_nobody(&program, &base, arguments);
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                output.status.code(),
                Some(code),
                "{journal_mode} {arguments:?}: {stderr}"
            );
            assert_eq!(stderr.is_empty(), code != 77, "{stderr}");
        }
        std::fs::set_permissions(&base, Permissions::from_mode(0o755)).unwrap();
        assert_eq!(
            std::fs::read_dir(&base).unwrap().count(),
            3,
            "a file was left behind"
        );
    }
    std::fs::remove_dir_all(&base).unwrap();
    assert!(root().exists());
}
