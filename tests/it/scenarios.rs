//! A folder is a test: `fixtures/scenarios/<sentence>/` holds `in/` (the working
//! directory), `before.sql` (what `app.db` holds before, if anything), `cmd` (a shell
//! script with the program on PATH), and what must come of it: `stdout`, `stderr`, `status`, and `after` (what `app.db` or
//! `sqlpage/sqlpage.db` then holds, with the rows that `query.sql` asks for). What is absent must be empty or 0.
//!
//! `make accept` rewrites the expectations; the diff is the review. With `FAIL_FAST` the
//! first scenario that ends otherwise is the last. The scenarios that
//! `LITEMIGRATE_LEAVE_OUT` names are left out: a static program loads no extensions, and
//! an emulator needs more memory than some allow.

use crate::support::{Sandbox, copy, program, query, root};
use rusqlite::Connection;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn every_scenario_ends_as_it_says() {
    let accept = std::env::var_os("ACCEPT").is_some();
    let mut names: Vec<_> = std::fs::read_dir(root().join("fixtures/scenarios"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    assert!(names.len() >= 40, "only {} scenarios found", names.len());
    let left_out = std::env::var("LITEMIGRATE_LEAVE_OUT").unwrap_or_default();
    for name in left_out.split_whitespace() {
        let path = root().join("fixtures/scenarios").join(name);
        let at = names.iter().position(|known| *known == path);
        names.remove(at.unwrap_or_else(|| panic!("no scenario {name}")));
    }
    let mut failures = String::new();
    let fail_fast = std::env::var_os("FAIL_FAST").is_some();
    for scenario in &names {
        if fail_fast && !failures.is_empty() {
            break;
        }
        let found = run(scenario);
        for (file, found) in found {
            let path = scenario.join(file);
            let expected = match path.exists() {
                true => std::fs::read_to_string(&path).unwrap(),
                false => String::new(),
            };
            if found == expected {
                continue;
            }
            if accept {
                if found.is_empty() {
                    std::fs::remove_file(&path).unwrap();
                } else {
                    std::fs::write(&path, &found).unwrap();
                }
            } else {
                let _ = writeln!(
                    failures,
                    "--- {} expects\n{expected}+++ found\n{found}",
                    path.display()
                );
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

fn run(scenario: &Path) -> [(&'static str, String); 4] {
    let name = scenario.file_name().unwrap().to_string_lossy().into_owned();
    let sandbox = Sandbox::new(&name);
    let (files, before) = (scenario.join("in"), scenario.join("before.sql"));
    if files.exists() {
        copy(&files, &sandbox.path);
    }
    if before.exists() {
        let sql = std::fs::read_to_string(before).unwrap();
        sandbox.database().execute_batch(&sql).unwrap();
    }
    let wanted = std::fs::read_to_string(scenario.join("query.sql")).ok();
    let bin = Path::new(program()).parent().unwrap();
    let output = Command::new("sh")
        .arg("-eu")
        .arg(scenario.join("cmd"))
        .current_dir(&sandbox.path)
        .env_clear()
        .env(
            "PATH",
            format!(
                "{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                bin.display()
            ),
        )
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let status = match output.status.code() {
        Some(0) => String::new(),
        code => format!(
            "{}\n",
            code.map_or("signal".to_owned(), |code| code.to_string())
        ),
    };
    let text = |bytes: &[u8]| normalized(&String::from_utf8_lossy(bytes), &sandbox.path);
    [
        ("stdout", text(&output.stdout)),
        ("stderr", text(&output.stderr)),
        ("status", status),
        ("after", after(&sandbox.path, wanted.as_deref())),
    ]
}

/// Replaces what differs from run to run: times, durations, the directory.
fn normalized(text: &str, directory: &Path) -> String {
    let text = text.replace(&*directory.to_string_lossy(), "[DIR]");
    let text = masked_after(&text, "\"execution_ms\":", "0123456789.e-", "[NUMBER]");
    let text = ["\"sqlite\":\"", "\"litemigrate\":\""]
        .iter()
        .fold(text, |text, key| {
            masked_after(&text, key, "0123456789.", "[VERSION]")
        });
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let timed = ["applied ", "undone ", "would apply ", "would undo "]
            .iter()
            .any(|verb| line.starts_with(verb) || line.contains(&format!(": {verb}")));
        match line.rsplit_once(" in ") {
            Some((before, after)) if timed => {
                let rest = after
                    .split_once(": ")
                    .map_or("\n".to_owned(), |(_, rest)| format!(": {rest}"));
                let _ = write!(out, "{before} in [TIME]{rest}");
            }
            _ => out.push_str(&placeholder(line)),
        }
    }
    out
}

fn placeholder(word: &str) -> String {
    let mut out = String::new();
    let mut rest = word;
    while !rest.is_empty() {
        let digits = |range: std::ops::Range<usize>| {
            rest.get(range)
                .is_some_and(|part| part.chars().all(|c| c.is_ascii_digit()))
        };
        if rest.get(4..5) == Some("-")
            && digits(0..4)
            && digits(5..7)
            && rest.get(7..8) == Some("-")
            && digits(8..10)
            && rest.starts_with("20")
        {
            out.push_str("[DATE]");
            rest = &rest[10..];
        } else if rest.get(2..3) == Some(":")
            && digits(0..2)
            && digits(3..5)
            && rest.get(5..6) == Some(":")
            && digits(6..8)
        {
            out.push_str("[CLOCK]");
            rest = &rest[8..];
        } else if digits(0..14) && rest.starts_with("20") {
            out.push_str("[TIMESTAMP]");
            rest = &rest[14..];
        } else {
            let c = rest.chars().next().unwrap();
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

fn masked_after(text: &str, key: &str, digits: &str, mask: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(key) {
        let (before, after) = rest.split_at(at + key.len());
        out.push_str(before);
        let end = after.find(|c| !digits.contains(c)).unwrap_or(after.len());
        if end > 0 {
            out.push_str(mask);
        }
        rest = &after[end..];
    }
    out + rest
}

/// The database's schema and history, and its rows where they are few.
fn after(directory: &Path, wanted: Option<&str>) -> String {
    let mut out = String::new();
    for name in ["app.db", "sqlpage/sqlpage.db"] {
        let path = directory.join(name);
        if !path.is_file() {
            continue;
        }
        let connection = Connection::open(&path).unwrap();
        if connection.prepare("SELECT 1 FROM sqlite_schema").is_err() {
            out.push_str("not a database\n");
            continue;
        }
        for sidecar in ["-journal", "-wal", "-shm"] {
            if directory.join(format!("{name}{sidecar}")).exists() {
                let _ = writeln!(out, "{name}{sidecar} exists");
            }
        }
        let tables = query(
            &connection,
            "SELECT type || ' ' || name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%' AND name != '_sqlx_migrations' ORDER BY name",
        );
        let _ = writeln!(out, "{tables}");
        let integrity = query(&connection, "SELECT * FROM pragma_integrity_check");
        let _ = writeln!(out, "integrity: {integrity}");
        if let Some(sql) = wanted {
            let _ = writeln!(out, "query:\n{}", query(&connection, sql));
        }
        let kind = "SELECT type FROM sqlite_schema WHERE name = '_sqlx_migrations'";
        if query(&connection, kind) == "table"
            && let Ok(mut statement) = connection.prepare("SELECT version, description, success, substr(hex(checksum), 1, 8), execution_time >= 0 FROM _sqlx_migrations ORDER BY version")
            && statement.raw_query().next().is_ok()
        {
            let rows = query(&connection, statement.expanded_sql().unwrap().as_str());
            let _ = writeln!(out, "history:\n{rows}");
        }
    }
    out
}
