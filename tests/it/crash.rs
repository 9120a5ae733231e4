//! Killed at any moment: is a script ever half applied, or applied without its row?

use crate::support::{Sandbox, query};
use std::process::Stdio;
use std::time::{Duration, Instant};

const SCRIPTS: usize = 8;
const ROWS: usize = 400;

fn sandbox(journal_mode: &str) -> Sandbox {
    let sandbox = Sandbox::new("crash");
    for n in 1..=SCRIPTS {
        let mut text = format!("CREATE TABLE t{n} (id INTEGER PRIMARY KEY, text TEXT);\n");
        for row in 0..ROWS {
            text.push_str(&format!(
                "INSERT INTO t{n} VALUES ({row}, '{}');\n",
                "x".repeat(100)
            ));
        }
        text.push_str(&format!("CREATE INDEX i{n} ON t{n} (text);\n"));
        sandbox.script(&format!("{n:04}_t{n}.sql"), text);
    }
    if journal_mode == "wal" {
        query(&sandbox.database(), "PRAGMA journal_mode = WAL");
    }
    sandbox
}

/// Every recorded script is there as a whole, and nothing else is.
fn is_whole(sandbox: &Sandbox) -> usize {
    let database = sandbox.database();
    assert_eq!(query(&database, "PRAGMA integrity_check"), "ok");
    let recorded = if query(
        &database,
        "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'",
    ) == "0"
    {
        String::new()
    } else {
        query(
            &database,
            "SELECT version FROM _sqlx_migrations WHERE success AND execution_time >= 0 ORDER BY version",
        )
    };
    let recorded: Vec<&str> = recorded.lines().collect();
    let objects = query(
        &database,
        "SELECT name FROM sqlite_schema WHERE name GLOB '[ti][0-9]*' ORDER BY name",
    );
    let mut wanted: Vec<String> = recorded
        .iter()
        .flat_map(|n| [format!("i{n}"), format!("t{n}")])
        .collect();
    wanted.sort();
    assert_eq!(objects.lines().collect::<Vec<_>>(), wanted);
    for n in &recorded {
        assert_eq!(
            query(&database, &format!("SELECT count(*) FROM t{n}")),
            ROWS.to_string()
        );
    }
    recorded.len()
}

#[test]
fn a_kill_at_any_moment_leaves_whole_migrations_and_the_next_run_completes() {
    for journal_mode in ["delete", "wal"] {
        let whole = sandbox(journal_mode);
        let clock = Instant::now();
        whole.expect(0, &["up"]);
        let run = clock.elapsed();
        assert_eq!(is_whole(&whole), SCRIPTS);

        let kills: u32 = 40;
        let mut partial = 0;
        for kill in 0..kills {
            let sandbox = sandbox(journal_mode);
            let mut child = sandbox
                .command(&["up"])
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(run * kill / kills + Duration::from_micros(u64::from(kill) * 37));
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            let announced = String::from_utf8_lossy(&output.stdout)
                .matches("applied 0")
                .count();
            let applied = is_whole(&sandbox);
            assert!(
                announced <= applied,
                "{announced} announced, {applied} applied"
            );
            partial += usize::from(applied > 0 && applied < SCRIPTS);
            sandbox.expect(0, &["up"]);
            assert_eq!(is_whole(&sandbox), SCRIPTS);
        }
        assert!(
            partial > 0,
            "no kill came in the middle of a run of {run:?}"
        );
    }
}
