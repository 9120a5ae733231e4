//! Is what is said true when the time is over, a commit fails, or somebody writes?

use crate::support::{Sandbox, has_tool, shell_output, skipped};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

/// SQLite cannot interrupt one long function.
#[test]
fn what_ends_after_the_deadline_is_not_committed() {
    let sandbox = Sandbox::new("time-late");
    sandbox.script("1_a.sql", "CREATE TABLE a (x);\n");
    sandbox.expect(0, &["up"]);
    let long = "length(replace(hex(zeroblob(8000000)), '00', 'ababababab'))";
    sandbox.script(
        "2_b.sql",
        format!("CREATE TABLE b AS SELECT {long} AS x;\n"),
    );
    sandbox.expect(75, &["up", "--timeout", "0.02"]);
    sandbox.expect(3, &["check"]);
}

#[test]
fn no_script_begins_when_the_backup_took_all_the_time() {
    let sandbox = Sandbox::new("time-backup");
    sandbox.script("1_a.sql", "CREATE TABLE a (x);\n");
    sandbox.script("2_b.sql", "CREATE TABLE b (x);\n");
    sandbox.expect(0, &["up", "--to", "1"]);
    sandbox.query("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 60) INSERT INTO a SELECT zeroblob(2000000) FROM n");
    let output = sandbox.run(&["up", "--timeout", "0.03", "--backup", "before.db"]);
    assert_eq!(output.status.code(), Some(75));
    assert!(output.stdout.is_empty() || !sandbox.files().contains(&"before.db".to_owned()));
    sandbox.expect(3, &["check"]);
}

/// Every sync of a run fails once: what is said of the database is what it then holds.
#[test]
fn what_is_said_after_a_failed_commit_is_true() {
    if !has_tool("strace") {
        return;
    }
    let mut committed = [0, 0];
    for number in 1..=20 {
        // Outside a transaction its row is committed by itself.
        let (outside, number) = (number > 7, if number > 7 { number - 7 } else { number });
        let sandbox = Sandbox::new("time-commit");
        sandbox.script("1_a.sql", "CREATE TABLE a (x);\n");
        sandbox.expect(0, &["up"]);
        let head = if outside { "-- no-transaction\n" } else { "" };
        sandbox.script("2_b.sql", format!("{head}CREATE TABLE b (x);\n"));
        let run = format!(
            "strace -qq -o trace -e trace=fsync,fdatasync -e inject=fsync,fdatasync:error=EIO:when={number} litemigrate -m migrations -D app.db 2>&1"
        );
        let output = shell_output(&sandbox.path, &run);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if said.contains("ptrace") {
            return skipped("strace may not trace here");
        }
        let now = sandbox.query("SELECT max(version) FROM _sqlx_migrations");
        assert!(
            said.contains(&format!("the database is at version {now}")),
            "{number}: {now}, and {said}"
        );
        let all_the_same = said.contains("was committed all the same");
        assert_eq!(
            all_the_same,
            now == "2" && output.status.code() == Some(74),
            "{said}"
        );
        assert!(now == "1" || !said.contains("not recorded"), "{said}");
        committed[usize::from(outside)] += u32::from(all_the_same);
    }
    assert!(
        !committed.contains(&0),
        "no sync after the unlink of the journal failed"
    );
}

/// History, schema and order of application are read at one moment.
#[test]
fn drift_is_never_seen_in_the_middle_of_a_run() {
    let sandbox = Sandbox::new("time-drift");
    sandbox.script("1_a.up.sql", "CREATE TABLE a (x);\n");
    sandbox.script("2_b.up.sql", "CREATE TABLE b (x);\n");
    sandbox.script("2_b.down.sql", "DROP TABLE b;\n");
    sandbox.expect(0, &["up"]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for command in ["down", "up"] {
                    let mut child = sandbox.command(&[command, "--lock-wait", "60"]);
                    child.stdout(Stdio::null());
                    assert!(child.status().unwrap().success());
                }
            }
        });
        for _ in 0..150 {
            let output = sandbox.run(&["check", "--drift", "--lock-wait", "60"]);
            if !matches!(output.status.code(), Some(0 | 3)) {
                stop.store(true, Ordering::Relaxed);
                panic!("{}", String::from_utf8_lossy(&output.stderr));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

/// In rollback-journal mode a reader keeps a commit waiting; it is named.
#[test]
fn who_reads_is_named() {
    if std::fs::File::open("/proc/locks").is_err() {
        return skipped("there is no /proc/locks");
    }
    let sandbox = Sandbox::new("time-reader");
    sandbox.script("1_a.sql", "CREATE TABLE a (x);\n");
    sandbox.expect(0, &["up"]);
    sandbox.script("2_b.sql", "CREATE TABLE b (x);\n");
    let reader = sandbox.database();
    reader.execute_batch("BEGIN").unwrap();
    reader
        .query_row("SELECT count(*) FROM a", [], |_| Ok(()))
        .unwrap();
    for arguments in [
        &["up", "--lock-wait", "0"][..],
        &["baseline", "2", "--lock-wait", "0"],
    ] {
        let output = sandbox.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(75), "{said}");
        let pid = format!("(pid {})", std::process::id());
        assert!(said.contains(&pid) && !said.contains("--vfs"), "{said}");
    }
}

/// Nothing is waited for once the time is over, whatever the command is.
#[test]
fn a_timeout_is_for_every_command_with_a_database() {
    let sandbox = Sandbox::new("time-locked");
    sandbox.script("1_a.sql", "CREATE TABLE a (x);\n");
    sandbox.expect(0, &["up"]);
    let holder = litemigrate::rusqlite::Connection::open(sandbox.path.join("app.db")).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for command in [
        &["baseline", "1"][..],
        &["repair", "1"],
        &["down"],
        &["status"],
    ] {
        let output = sandbox.run(&[command, &["--timeout", "0"]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(75), "{command:?}: {said}");
    }
}

/// What ended the wait is what is to be longer.
#[test]
fn the_option_that_ended_the_wait_is_named() {
    let sandbox = Sandbox::new("time-advice");
    sandbox.script("1_a.sql", "CREATE TABLE a (x);\n");
    sandbox.expect(0, &["up"]);
    sandbox.script("2_b.sql", "CREATE TABLE b (x);\n");
    let holder = litemigrate::rusqlite::Connection::open(sandbox.path.join("app.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    for (options, advice) in [
        (&["--lock-wait", "0.1"][..], "wait longer with --lock-wait"),
        (&["--timeout", "0.2"], "give the run longer with --timeout"),
        (
            &["--timeout", "9", "--lock-wait", "0.1"],
            "wait longer with --lock-wait",
        ),
    ] {
        let output = sandbox.run(&[&["up"][..], options].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(75), "{options:?}: {said}");
        let others = ["--lock-wait", "--timeout"];
        let named = others.map(|option| said.matches(option).count());
        assert!(said.contains(advice), "{options:?}: {said}");
        assert_eq!(named.iter().sum::<usize>(), 1, "{options:?}: {said}");
    }
}

/// A script outside a transaction may go on after each of its statements: nothing else is
/// applied, undone or put back meanwhile.
#[test]
fn nothing_comes_between_the_statements_of_a_script_outside_a_transaction() {
    let sandbox = Sandbox::new("time-between");
    sandbox.script("1_a.up.sql", "CREATE TABLE a (x);\n");
    sandbox.script("1_a.down.sql", "DROP TABLE a;\n");
    sandbox.expect(0, &["up"]);
    sandbox.script("2_b.up.sql", "CREATE TABLE b (x);\n");
    sandbox.script("2_b.down.sql", "DROP TABLE b;\n");
    sandbox.expect(0, &["up", "--backup", "before.db"]);
    sandbox.script("3_c.sql", "CREATE TABLE c (x);\n");
    let lock = sandbox.path.join("app.db.litemigrate-lock");
    let held = std::fs::File::create(&lock).unwrap();
    held.lock().unwrap();
    for arguments in [
        &["up"][..],
        &["up", "--single-transaction"],
        &["down"],
        &["restore", "before.db"],
    ] {
        let mut all = arguments.to_vec();
        all.extend(["--lock-wait", "0.05"]);
        let output = sandbox.run(&all);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(75), "{arguments:?}: {stderr}");
        assert!(stderr.contains("is running a script outside"), "{stderr}");
    }
    // What a killed run has left keeps nobody waiting.
    drop(held);
    sandbox.expect(0, &["restore", "before.db"]);
    sandbox.expect(0, &["up"]);
    assert!(!lock.exists());
}
