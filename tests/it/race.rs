//! Does each script run exactly once, whoever else is running?

use crate::support::{Sandbox, query};
use std::process::{Child, Stdio};
use std::time::Duration;

const SCRIPTS: usize = 6;

/// Scripts that fail if they run twice, and count that they ran.
fn sandbox(name: &str, journal_mode: &str) -> Sandbox {
    let sandbox = Sandbox::new(name);
    sandbox.script(
        "0001_log.sql",
        "CREATE TABLE log (n INTEGER);\nINSERT INTO log VALUES (1);\n",
    );
    for n in 2..=SCRIPTS {
        sandbox.script(
            &format!("{n:04}_t{n}.sql"),
            format!("CREATE TABLE t{n} (x);\nINSERT INTO log VALUES ({n});\n"),
        );
    }
    if journal_mode == "wal" {
        let database = sandbox.database();
        query(&database, "PRAGMA journal_mode = WAL");
    }
    sandbox
}

fn start(sandbox: &Sandbox, arguments: &[&str]) -> Child {
    let mut command = sandbox.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn everything_ran_once(sandbox: &Sandbox) {
    let wanted: Vec<String> = (1..=SCRIPTS).map(|n| n.to_string()).collect();
    let wanted = wanted.join("\n");
    assert_eq!(sandbox.query("SELECT n FROM log ORDER BY n"), wanted);
    assert_eq!(
        sandbox.query("SELECT version FROM _sqlx_migrations ORDER BY version"),
        wanted
    );
    assert_eq!(sandbox.query("PRAGMA integrity_check"), "ok");
}

#[test]
fn simultaneous_starts_run_each_script_once() {
    for journal_mode in ["delete", "wal"] {
        for (starts, half) in [(2, false), (16, false), (16, true), (50, false)] {
            let sandbox = sandbox("race", journal_mode);
            if half {
                sandbox.expect(0, &["up", "--to", "3"]);
            }
            let children: Vec<Child> = (0..starts)
                .map(|_| start(&sandbox, &["up", "--lock-wait", "60"]))
                .collect();
            let mut applied = if half { 3 } else { 0 };
            for child in children {
                let output = child.wait_with_output().unwrap();
                let stderr = String::from_utf8_lossy(&output.stderr);
                assert_eq!(
                    output.status.code(),
                    Some(0),
                    "{starts} starts, {journal_mode}: {stderr}"
                );
                assert!(stderr.is_empty(), "{stderr}");
                applied += String::from_utf8_lossy(&output.stdout)
                    .matches("applied 0")
                    .count();
            }
            assert_eq!(
                applied, SCRIPTS,
                "{starts} starts, {journal_mode}: each step is announced once"
            );
            everything_ran_once(&sandbox);
        }
    }
}

#[test]
fn scripts_outside_a_transaction_run_once_too() {
    let sandbox = Sandbox::new("race-outside");
    sandbox.script(
        "0001_log.sql",
        "-- no-transaction\nCREATE TABLE log (n INTEGER);\nINSERT INTO log VALUES (1);\n",
    );
    sandbox.script(
        "0002_wal.sql",
        "-- no-transaction\nPRAGMA journal_mode = WAL;\nCREATE INDEX i ON log (n);\n",
    );
    let children: Vec<Child> = (0..16)
        .map(|_| start(&sandbox, &["up", "--lock-wait", "60"]))
        .collect();
    for child in children {
        ends_with(child, 0);
    }
    assert_eq!(sandbox.query("SELECT n FROM log"), "1");
    assert_eq!(sandbox.query("SELECT count(*) FROM _sqlx_migrations"), "2");
}

#[test]
fn a_lock_that_is_not_released_exits_75_and_changes_nothing() {
    for journal_mode in ["delete", "wal"] {
        let sandbox = sandbox("locked", journal_mode);
        let blocker = sandbox.database();
        blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
        for wait in ["0", "0.2"] {
            let output = sandbox.run(&["up", "--lock-wait", wait]);
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(75), "{stderr}");
            assert!(
                stderr.contains("locked by another process") && stderr.contains("--lock-wait"),
                "{stderr}"
            );
        }
        blocker.execute_batch("ROLLBACK").unwrap();
        assert_eq!(query(&blocker, "SELECT count(*) FROM sqlite_schema"), "0");
        drop(blocker);
        sandbox.expect(0, &["up"]);
        everything_ran_once(&sandbox);
    }
}

#[test]
fn a_first_script_that_fails_fails_for_everybody() {
    let sandbox = Sandbox::new("race-failing");
    sandbox.script("1_bad.sql", "CREATE TABLE a (x);\nSELECT nosuch;\n");
    let children: Vec<Child> = (0..16).map(|_| start(&sandbox, &["up"])).collect();
    for child in children {
        ends_with(child, 1);
    }
    // The empty file stays: to unlink a database that others may have open is
    // a way to corrupt it (sqlite.org/howtocorrupt.html, section 2.5).
    assert_eq!(sandbox.path.join("app.db").metadata().unwrap().len(), 0);
}

/// An application goes on inserting rows while migrations run; none is lost.
#[test]
fn a_writer_in_the_middle_loses_nothing() {
    for journal_mode in ["delete", "wal"] {
        let sandbox = sandbox("writer", journal_mode);
        sandbox.expect(0, &["up", "--to", "1"]);
        let child = start(&sandbox, &["up", "--lock-wait", "60"]);
        let writer = sandbox.database();
        writer.busy_timeout(Duration::from_secs(60)).unwrap();
        let rows = 60;
        for n in 0..rows {
            writer
                .execute("INSERT INTO log VALUES (?1)", [1000 + n])
                .unwrap();
        }
        ends_with(child, 0);
        assert_eq!(
            query(&writer, "SELECT count(*) FROM log WHERE n >= 1000"),
            rows.to_string()
        );
        writer
            .execute("DELETE FROM log WHERE n >= 1000", [])
            .unwrap();
        drop(writer);
        everything_ran_once(&sandbox);
    }
}

fn ends_with(child: Child, code: i32) {
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
}
