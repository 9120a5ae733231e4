//! What do other programs see: streams, terminals, JSON, signals?

use crate::support::{Sandbox, program, query, root};
use rusqlite::Connection;
use std::fs::File;
use std::process::{Command, Stdio};

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new("cli");
    sandbox.script("1_a.sql", "CREATE TABLE a (x);\n");
    sandbox.script("2_b.sql", "CREATE TABLE b (x);\n");
    sandbox
}

#[test]
fn a_full_or_closed_output_changes_neither_the_work_nor_the_exit_code() {
    for arguments in [&["up"][..], &["up", "--json"], &["up", "-v"]] {
        let sandbox = sandbox();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let status = sandbox
            .command(arguments)
            .stdout(full.try_clone().unwrap())
            .stderr(full)
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(0), "{arguments:?} on a full device");
        assert_eq!(sandbox.query("SELECT count(*) FROM _sqlx_migrations"), "2");

        let sandbox = self::sandbox();
        let mut child = sandbox
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(
            child.wait().unwrap().code(),
            Some(0),
            "{arguments:?} on a closed pipe"
        );
        assert_eq!(sandbox.query("SELECT count(*) FROM _sqlx_migrations"), "2");
    }
    let sandbox = sandbox();
    let command = format!(
        "exec '{}' up -D app.db -m migrations >&- 2>&- <&-",
        program()
    );
    let status = Command::new("sh")
        .args(["-c", &command])
        .current_dir(&sandbox.path)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(
        sandbox.query("SELECT count(*) FROM _sqlx_migrations; "),
        "2"
    );
}

#[test]
fn colours_come_when_asked_for_and_not_into_a_pipe() {
    let sandbox = sandbox();
    sandbox.expect(0, &["up"]);
    assert!(!sandbox.expect(0, &["status"]).contains('\x1b'));
    assert!(
        sandbox
            .expect(0, &["status", "--color", "always"])
            .contains("\x1b[32mapplied \x1b[0m")
    );
    assert!(
        !sandbox
            .expect(0, &["status", "--color=always", "--json"])
            .contains('\x1b')
    );
    let output = sandbox.run(&["up", "--to", "9", "--color=always"]);
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("\x1b[31mlitemigrate:\x1b[0m "));
}

#[test]
fn lines_for_the_journal_have_its_priorities() {
    use std::os::unix::fs::MetadataExt;
    let sandbox = sandbox();
    sandbox.script("3_bad.sql", "SELECT nosuch;\n");
    sandbox.script("4-x.sql", "");
    let path = sandbox.path.join("journal");
    let journal = File::create(&path).unwrap();
    let metadata = journal.metadata().unwrap();
    let stream = format!("{}:{}", metadata.dev(), metadata.ino());
    let status = sandbox
        .command(&["up"])
        .env("JOURNAL_STREAM", stream)
        .stderr(journal)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
    let lines = std::fs::read_to_string(&path).unwrap();
    let priorities: Vec<&str> = lines.lines().map(|line| &line[..3]).collect();
    assert_eq!(priorities, ["<4>", "<3>", "<3>", "<3>", "<3>"], "{lines}");
    // Another stream's number is not ours.
    let output = sandbox
        .command(&["up"])
        .env("JOURNAL_STREAM", "1:1")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("litemigrate: "));
}

/// SQLite's JSON functions are the judge of every outcome's object.
#[test]
fn every_outcome_is_one_json_object() {
    let judge = Connection::open_in_memory().unwrap();
    let scenarios = root().join("fixtures/scenarios");
    let mut objects = 0;
    for entry in std::fs::read_dir(&scenarios).unwrap() {
        let text =
            std::fs::read_to_string(entry.unwrap().path().join("stdout")).unwrap_or_default();
        for text in text.lines().filter(|line| line.starts_with('{')) {
            let text = text.replace("[NUMBER]", "0");
            let found: String = judge
                .query_row("SELECT json_valid(?1) || ' ' || (?1 ->> '$.format') || ' ' || json_type(?1, '$.exit') || ' ' || (?1 ->> '$.command')", [&text], |row| row.get(0))
                .unwrap();
            assert!(found.starts_with("1 1 integer "), "{found}: {text}");
            objects += 1;
        }
    }
    assert!(objects >= 6);
    let nasty = Sandbox::new("nasty");
    nasty.script(
        "1_a\u{1b}\"\\\u{7f}\n\u{2028}é.sql",
        "SELECT 'x\u{1b}', nosuch;\n",
    );
    for arguments in [
        &["up", "--json"][..],
        &["status", "--json"],
        &["check", "--json"],
        &["up", "--to", "5", "--json"],
    ] {
        let output = nasty.run(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        let exit: Option<i32> = judge
            .query_row(
                "SELECT CASE WHEN json_valid(?1) THEN ?1 ->> '$.exit' END",
                [&text],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(exit, output.status.code(), "{text}");
    }
}

#[test]
fn help_and_version_work_on_a_broken_machine() {
    for (argument, needle) in [
        ("--help", "Usage: litemigrate"),
        ("-h", "Usage: litemigrate"),
        ("--version", "(SQLite 3."),
        ("help", "Exit codes:"),
    ] {
        let output = Command::new(program())
            .arg(argument)
            .env_clear()
            .current_dir("/")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(
            String::from_utf8_lossy(&output.stdout).contains(needle),
            "{argument}"
        );
        assert!(output.stderr.is_empty());
    }
    for topic in [
        "up",
        "status",
        "check",
        "new",
        "help",
        "exit-codes",
        "files",
        "scripts",
        "history",
        "tools",
        "fleets",
        "sqlpage",
        "root",
        "json",
        "recipes",
    ] {
        let output = Command::new(program())
            .args(["help", topic])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stdout.len() > 150, "{topic}");
    }
}

#[test]
fn a_statement_of_megabytes_and_a_long_script_are_no_problem() {
    let sandbox = Sandbox::new("large");
    let mut script = String::from("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT);\n");
    for n in 0..20_000 {
        script.push_str(&format!("INSERT INTO t VALUES ({n}, 'a row of a long script, which must not be copied for each');\n"));
    }
    script.push_str(&format!(
        "INSERT INTO t VALUES (-1, '{}');\nINSERT INTO t VALUES (7, 'twice');\n",
        "y".repeat(3_000_000)
    ));
    sandbox.script("1_t.sql", &script);
    let output = sandbox.run(&["up"]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr.starts_with(
            "litemigrate: migrations/1_t.sql:20003:1: UNIQUE constraint failed: t.id\n"
        ),
        "{stderr}"
    );
    assert!(stderr.len() < 1000);
    sandbox.script("1_t.sql", script.replace("(7, 'twice')", "(-7, ?1)"));
    sandbox.expect(0, &["up"]);
    assert_eq!(
        query(
            &sandbox.database(),
            "SELECT count(*), max(length(text)) FROM t"
        ),
        "20002|3000000"
    );
}

#[test]
fn every_row_is_stepped_and_parameters_are_null() {
    let sandbox = Sandbox::new("rows");
    sandbox.script(
        "1_t.sql",
        "CREATE TABLE t (x);\nCREATE TABLE log (x);\nCREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.x); END;\nINSERT INTO t VALUES (1), (2), (3) RETURNING x;\nINSERT INTO t VALUES (?1);\nINSERT INTO t SELECT :p;\nSELECT nosuch;\n",
    );
    let output = sandbox.run(&["up"]);
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("1_t.sql:7:8: no such column"),
        "positions hold after parameters"
    );
    let script = std::fs::read_to_string(sandbox.path.join("migrations/1_t.sql")).unwrap();
    sandbox.script("1_t.sql", script.replace("SELECT nosuch;\n", ""));
    sandbox.expect(0, &["up"]);
    assert_eq!(sandbox.query("SELECT count(*), count(x) FROM log"), "5|3");
}

#[test]
fn a_database_path_is_a_path_whatever_characters_it_holds() {
    use std::os::unix::ffi::OsStringExt;
    let sandbox = sandbox();
    for name in [
        "a%20b.db",
        "a?mode=ro",
        "a#b",
        "with space",
        "new\nline.db",
        "file:x.db",
        "-dash.db",
        "é.db",
        "nul\u{1}.db",
    ] {
        // What looks like a URL elsewhere is a path for certain with ./, and a path
        // once such a file is there.
        for name in [&format!("./{name}"), name] {
            let status = sandbox.command(&["up", "-D", name]).status().unwrap();
            assert_eq!(status.code(), Some(0), "{name:?}");
            assert!(sandbox.path.join(name).is_file(), "{name:?}");
        }
    }
    let bytes = std::ffi::OsString::from_vec(b"bad\xff.db".to_vec());
    let status = sandbox
        .command(&["up"])
        .arg("-D")
        .arg(&bytes)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(sandbox.path.join(&bytes).is_file());
}

#[test]
fn a_script_outside_a_transaction_tells_how_far_it_is() {
    let slow = "INSERT INTO t WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 2000000) SELECT count(*) FROM n;\n";
    // Once a second: a faster machine needs more to do.
    let told = [8, 64, 512].into_iter().any(|count| {
        let sandbox = Sandbox::new("progress");
        sandbox.script(
            "1_slow.sql",
            format!(
                "-- no-transaction\nCREATE TABLE t (x);\n{}",
                slow.repeat(count)
            ),
        );
        let stdout = sandbox.expect(0, &["up", "-v"]);
        assert!(
            stdout.contains(&format!("\n  {} statements\n", count + 1)),
            "{stdout}"
        );
        stdout.contains("1_slow.sql: ") && stdout.contains(" done so far\n")
    });
    assert!(told, "no word in all that time");
}
