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

/// Kills the program at moments that are spread over the time that it takes, and asks
/// what is there then, and what is there when it was run again.
fn killed(
    prepare: impl Fn() -> Sandbox,
    arguments: &[&str],
    after_kill: impl Fn(&Sandbox),
    at_end: impl Fn(&Sandbox),
) {
    let whole = prepare();
    let clock = Instant::now();
    whole.expect(0, arguments);
    let run = clock.elapsed();
    at_end(&whole);
    let kills: u32 = 24;
    for kill in 0..kills {
        let sandbox = prepare();
        let mut child = sandbox
            .command(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(run * kill / kills + Duration::from_micros(u64::from(kill) * 37));
        child.kill().unwrap();
        child.wait().unwrap();
        after_kill(&sandbox);
        let again = sandbox.run(arguments);
        assert!(
            matches!(again.status.code(), Some(0 | 65)),
            "{arguments:?} after kill {kill}: {}",
            String::from_utf8_lossy(&again.stderr)
        );
        at_end(&sandbox);
    }
}

/// Two scripts of some hundred pages, of which the first is applied.
fn half(journal_mode: &str, page_size: u32) -> Sandbox {
    let sandbox = Sandbox::new("crash-half");
    let fill = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 2000)";
    for n in 1..=2 {
        sandbox.script(
            &format!("{n}_t.up.sql"),
            format!("CREATE TABLE t{n} (x);\nINSERT INTO t{n} {fill} SELECT hex(zeroblob(200)) FROM n;\n"),
        );
        sandbox.script(&format!("{n}_t.down.sql"), format!("DROP TABLE t{n};\n"));
    }
    let database = sandbox.database();
    // Only a written page keeps the size.
    query(&database, &format!("PRAGMA page_size = {page_size}"));
    query(&database, "PRAGMA user_version = 1");
    query(&database, &format!("PRAGMA journal_mode = {journal_mode}"));
    drop(database);
    sandbox.expect(0, &["up", "--to", "1"]);
    sandbox
}

fn versions(file: &std::path::Path) -> String {
    let database = rusqlite_open(file);
    assert_eq!(query(&database, "PRAGMA integrity_check"), "ok");
    query(
        &database,
        "SELECT group_concat(version) FROM _sqlx_migrations",
    )
}

fn rusqlite_open(file: &std::path::Path) -> litemigrate::rusqlite::Connection {
    litemigrate::rusqlite::Connection::open(file).unwrap()
}

#[test]
fn a_killed_backup_never_costs_the_one_before() {
    for wanted in ["before.db", "backups/"] {
        for journal_mode in ["delete", "wal"] {
            let prepare = || {
                let sandbox = half(journal_mode, 4096);
                std::fs::create_dir(sandbox.path.join("backups")).unwrap();
                // An older state, which may be replaced by the one before the update.
                std::fs::copy(sandbox.path.join("app.db"), sandbox.path.join("before.db")).unwrap();
                sandbox
            };
            let backup = |sandbox: &Sandbox| match wanted {
                "before.db" => sandbox.path.join("before.db"),
                _ => sandbox.path.join("backups/app.db.v1"),
            };
            killed(
                prepare,
                &["up", "--backup", wanted],
                |sandbox| {
                    let file = backup(sandbox);
                    let is_there = file.exists();
                    if is_there {
                        assert_eq!(versions(&file), "1", "{wanted}");
                    }
                    let now = versions(&sandbox.path.join("app.db"));
                    assert!(now == "1" || (now == "1,2" && is_there), "{now}");
                },
                |sandbox| {
                    assert_eq!(versions(&backup(sandbox)), "1");
                    assert_eq!(versions(&sandbox.path.join("app.db")), "1,2");
                },
            );
        }
    }
}

/// At no moment is there an empty database, which the next start would migrate from
/// nothing, and the second try completes the first, journal mode included.
#[test]
fn a_killed_restore_is_completed_by_the_next() {
    use std::io::{Seek, SeekFrom, Write};
    let damage = |file: &std::path::Path| {
        let mut file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(&[0x5a; 3000]).unwrap();
    };
    // What is there before, and the backup's own journal mode and page size.
    for (before, of_backup, page_size, is_damaged) in [
        (Some("delete"), "delete", 4096, true),
        (Some("wal"), "delete", 4096, false),
        (Some("wal"), "delete", 8192, false),
        (Some("wal"), "wal", 8192, true),
        (Some("delete"), "wal", 4096, false),
        (None, "delete", 4096, false),
    ] {
        let prepare = || {
            let sandbox = half(of_backup, page_size);
            let [app, backup] = ["app.db", "backup.db"].map(|name| sandbox.path.join(name));
            std::fs::rename(&app, &backup).unwrap();
            if let Some(journal_mode) = before {
                query(
                    &rusqlite_open(&app),
                    &format!("PRAGMA journal_mode = {journal_mode}"),
                );
                sandbox.expect(0, &["up"]);
                if is_damaged {
                    damage(&app);
                }
            }
            sandbox
        };
        let modes = [before.filter(|_| !is_damaged), Some(of_backup)];
        let wanted = match modes.contains(&Some("wal")) {
            true => "wal",
            false => "delete",
        };
        killed(
            prepare,
            &["restore", "backup.db", "-m", "migrations"],
            |sandbox| {
                let app = sandbox.path.join("app.db");
                assert_eq!(app.exists(), before.is_some() || app.exists());
                let output = sandbox.run(&["status"]);
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                match output.status.code() {
                    Some(0) => assert!(!app.exists() || text.contains("1  applied"), "{text}"),
                    code => assert!(is_damaged && code == Some(74), "{code:?}"),
                }
            },
            |sandbox| {
                let app = sandbox.path.join("app.db");
                assert_eq!(versions(&app), "1");
                assert_eq!(sandbox.query("SELECT count(*) FROM t1"), "2000");
                assert_eq!(sandbox.query("PRAGMA journal_mode"), wanted);
                assert_eq!(sandbox.query("PRAGMA page_size"), page_size.to_string());
            },
        );
    }
}

#[test]
fn a_killed_down_baseline_or_repair_is_done_or_not() {
    for journal_mode in ["delete", "wal"] {
        let whole = |sandbox: &Sandbox| {
            let app = sandbox.path.join("app.db");
            let recorded = versions(&app);
            let tables = "SELECT group_concat(substr(name, 2)) FROM (SELECT name FROM sqlite_schema WHERE name GLOB 't[0-9]' ORDER BY name)";
            assert_eq!(sandbox.query(tables), recorded);
        };
        let full = || {
            let sandbox = half(journal_mode, 4096);
            sandbox.expect(0, &["up"]);
            sandbox
        };
        killed(full, &["down", "--to", "1"], whole, |sandbox| {
            assert_eq!(versions(&sandbox.path.join("app.db")), "1");
            whole(sandbox);
        });
        let recorded = |sandbox: &Sandbox| {
            let now = versions(&sandbox.path.join("app.db"));
            assert!(now == "1" || now == "1,2", "{now}");
        };
        killed(
            || half(journal_mode, 4096),
            &["baseline", "2"],
            recorded,
            |sandbox| {
                assert_eq!(versions(&sandbox.path.join("app.db")), "1,2");
            },
        );
        let edited = || {
            let sandbox = half(journal_mode, 4096);
            sandbox.script("1_t.up.sql", "SELECT 1;\n");
            sandbox
        };
        killed(
            edited,
            &["repair", "1"],
            |_| {},
            |sandbox| {
                sandbox.expect(3, &["check"]);
            },
        );
    }
}
