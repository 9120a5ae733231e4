//! Are our connections SQLPage's? The other judge is its own code (`make oracle`).

use crate::support::{Sandbox, query};
use litemigrate::internals::register_functions;
use rusqlite::Connection;
use std::process::Command;

const WORDS: &str = "INSERT INTO t (name) VALUES ('É'), ('e'), ('Zoë'), ('zoe'), ('ß'), ('ǆ'), ('İ'), ('日本'), ('ÅNGSTRÖM'), ('z'), ('A'), ('Ж'), ('я');\n";

fn project() -> Sandbox {
    let sandbox = Sandbox::new("sqlpage");
    sandbox.script("1_t.sql", "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE COLLATE NOCASE, other TEXT);\nCREATE INDEX by_other ON t (other COLLATE NOCASE);\n");
    sandbox.script(
        "2_words.sql",
        format!("{WORDS}UPDATE t SET other = name;\n"),
    );
    sandbox
}

/// A connection of SQLPage's, or a stock one.
fn connection(sandbox: &Sandbox, sqlpage: bool) -> Connection {
    let connection = sandbox.database();
    if sqlpage {
        register_functions(&connection).unwrap();
    }
    connection
}

#[test]
fn an_index_is_whole_for_whoever_compares_as_we_did_when_we_wrote_it() {
    for (profile, sqlpage) in [("sqlpage", true), ("sqlite", false)] {
        let sandbox = project();
        sandbox.expect(0, &["up", "--profile", profile]);
        assert_eq!(
            query(&connection(&sandbox, sqlpage), "PRAGMA integrity_check"),
            "ok",
            "{profile}"
        );
        assert_ne!(
            query(&connection(&sandbox, !sqlpage), "PRAGMA integrity_check"),
            "ok",
            "the other comparison must not fit"
        );
        let found = query(
            &connection(&sandbox, sqlpage),
            "SELECT count(*) FROM t WHERE name = 'é'",
        );
        assert_eq!(found, if sqlpage { "1" } else { "0" });
    }
}

#[test]
fn what_sqlpage_wrote_is_whole_for_us() {
    let sandbox = project();
    sandbox.expect(0, &["up", "--to", "1", "--profile", "sqlpage"]);
    connection(&sandbox, true).execute_batch(WORDS).unwrap();
    sandbox.script("2_words.sql", "CREATE TABLE verdict (said);\nINSERT INTO verdict SELECT * FROM pragma_integrity_check;\nUPDATE t SET other = upper(name);\n");
    sandbox.expect(0, &["up", "--profile", "sqlpage"]);
    assert_eq!(sandbox.query("SELECT * FROM verdict"), "ok");
    assert_eq!(sandbox.query("SELECT other FROM t WHERE id = 3"), "ZOË");
}

/// An extension that tells that it was loaded by making a file.
const EXTENSION: &str = "#include <stdio.h>\nint sqlite3_probe_init(void *db, char **error, const void *api) { FILE *file = fopen(\"loaded\", \"w\"); (void)db; (void)error; (void)api; return file && fclose(file) == 0 ? 0 : 1; }\n";

#[test]
fn extensions_are_loaded_before_the_migrations_and_only_when_something_is_pending() {
    let sandbox = project();
    std::fs::write(sandbox.path.join("probe.c"), EXTENSION).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o", "probe.so", "probe.c"])
        .current_dir(&sandbox.path)
        .status()
        .unwrap();
    assert!(compiled.success());
    let run = |arguments: &[&str]| {
        let output = sandbox
            .command(arguments)
            .env("SQLPAGE_SQLITE_EXTENSIONS", "./probe")
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        std::fs::remove_file(sandbox.path.join("loaded")).is_ok()
    };
    assert!(!run(&["up", "--to", "1"]), "profile sqlite loads nothing");
    assert!(run(&["up", "--profile", "sqlpage"]));
    assert!(!run(&["up", "--profile", "sqlpage"]), "nothing to do");
    sandbox.script("3_load.sql", "SELECT load_extension('./probe');\n");
    let output = sandbox
        .command(&["up", "--profile", "sqlpage"])
        .env("SQLITE_EXTENSIONS", "./probe")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("not authorized"));
}
