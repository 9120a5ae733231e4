//! Does a setting of one script decide what the next one does?

use crate::support::{Sandbox, query};

/// What a script can set and leave, each by which another script's outcome could change.
const SETTINGS: &[&str] = &[
    "legacy_alter_table = ON",
    "ignore_check_constraints = ON",
    "case_sensitive_like = ON",
    "recursive_triggers = ON",
    "reverse_unordered_selects = ON",
    "writable_schema = ON",
    "query_only = ON",
    "trusted_schema = OFF",
    "foreign_keys = OFF",
    "defer_foreign_keys = ON",
    "full_column_names = ON",
    "short_column_names = OFF",
    "max_page_count = 30",
    "locking_mode = EXCLUSIVE",
    "read_uncommitted = ON",
    "automatic_index = OFF",
    "cell_size_check = ON",
    "count_changes = ON",
    "busy_timeout = 1",
];

/// A script whose outcome depends on as many of them as one script can.
const NEXT: &str = "
CREATE TABLE named AS SELECT t.x, t.y FROM t;
DELETE FROM t WHERE 'a' LIKE 'A' AND x = 1;
INSERT INTO chain VALUES (1);
CREATE TABLE first AS SELECT x FROM t LIMIT 1;
INSERT INTO log SELECT 'fk ' || group_concat(p) FROM c;
DELETE FROM p WHERE id = 1;
INSERT OR REPLACE INTO r VALUES (1, 'new');
ALTER TABLE p RENAME TO parent;
CREATE TABLE big (x);
INSERT INTO big SELECT zeroblob(100000) FROM t;
";

const BEFORE: &str = "
CREATE TABLE t (x, y);
INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c');
CREATE TABLE log (text);
CREATE TABLE chain (n);
CREATE TRIGGER again AFTER INSERT ON chain WHEN new.n < 3 BEGIN INSERT INTO chain VALUES (new.n + 1); END;
CREATE TABLE p (id INTEGER PRIMARY KEY);
CREATE TABLE c (p REFERENCES p ON DELETE CASCADE);
INSERT INTO p VALUES (1), (2);
INSERT INTO c VALUES (1), (2);
CREATE VIEW v AS SELECT id FROM p;
CREATE TABLE r (id INTEGER PRIMARY KEY, x);
INSERT INTO r VALUES (1, 'old');
CREATE TRIGGER gone AFTER DELETE ON r BEGIN INSERT INTO log VALUES ('replaced ' || old.x); END;
";

/// All that the database holds but the times.
fn content(sandbox: &Sandbox) -> String {
    let database = sandbox.database();
    let mut all = query(
        &database,
        "SELECT type, name, sql FROM sqlite_schema ORDER BY name",
    );
    let tables = query(
        &database,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name != '_sqlx_migrations' ORDER BY name",
    );
    for table in tables.lines() {
        all.push_str(&format!("\n{table}: "));
        all.push_str(&query(
            &database,
            &format!("SELECT * FROM \"{table}\" ORDER BY 1"),
        ));
    }
    all + "\n"
        + &query(
            &database,
            "SELECT version, success FROM _sqlx_migrations ORDER BY version",
        )
}

fn sandbox(first: &str, second: &str) -> Sandbox {
    let sandbox = Sandbox::new("leaks");
    sandbox.database().execute_batch(BEFORE).unwrap();
    sandbox.script("1_first.sql", format!("PRAGMA {first};\n"));
    sandbox.script("2_second.sql", format!("PRAGMA {second};\n"));
    sandbox.script("3_next.sql", NEXT);
    sandbox
}

/// One run of three scripts and three runs of one end with the same database.
#[test]
fn one_run_of_several_scripts_ends_as_several_runs_of_one() {
    for (number, first) in SETTINGS.iter().enumerate() {
        for second in &SETTINGS[number..] {
            let together = sandbox(first, second);
            let output = together.run(&["up"]);
            let apart = sandbox(first, second);
            let mut last = None;
            for version in ["1", "2", "3"] {
                last = apart.run(&["up", "--to", version]).status.code();
            }
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), last, "{first}, {second}\n{error}");
            assert_eq!(content(&together), content(&apart), "{first}, {second}");
        }
    }
}
