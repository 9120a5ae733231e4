//! Can a DROP TABLE take rows of other tables with it unnoticed?

use crate::support::Sandbox;

/// What is there before, the script, and what it must come to: applied, or
/// refused with a message that holds these words.
const CASES: &[(&str, &str, &str, Option<&str>)] = &[
    (
        "no child",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1)",
        "DROP TABLE p",
        None,
    ),
    (
        "no rows",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p ON DELETE CASCADE)",
        "DROP TABLE p",
        None,
    ),
    (
        "child without references",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p ON DELETE CASCADE); INSERT INTO p VALUES (1); INSERT INTO c VALUES (NULL)",
        "DROP TABLE p",
        None,
    ),
    (
        "cascade",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p ON DELETE CASCADE); INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1), (1), (2)",
        "DROP TABLE p",
        Some("c loses 3 rows"),
    ),
    (
        "set null",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p ON DELETE SET NULL); INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)",
        "DROP TABLE p",
        Some("c loses 1 of its references"),
    ),
    (
        "set default",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p DEFAULT NULL REFERENCES p ON DELETE SET DEFAULT); INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)",
        "DROP TABLE p",
        Some("c loses 1 of its references"),
    ),
    (
        "without rowid",
        "CREATE TABLE p (id TEXT PRIMARY KEY) WITHOUT ROWID; CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE) WITHOUT ROWID; INSERT INTO p VALUES ('a'); INSERT INTO c VALUES (1, 'a')",
        "DROP TABLE p",
        Some("c loses 1 row"),
    ),
    (
        "grandchildren",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE); CREATE TABLE g (c REFERENCES c ON DELETE CASCADE); INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1); INSERT INTO g VALUES (1), (1)",
        "DROP TABLE p",
        Some("c loses 1 row, g loses 2 rows"),
    ),
    (
        "self-reference",
        "CREATE TABLE p (id INTEGER PRIMARY KEY, up REFERENCES p ON DELETE CASCADE); INSERT INTO p VALUES (1, NULL), (2, 1), (3, 2)",
        "DROP TABLE p",
        None,
    ),
    (
        "self-reference and no loss",
        "CREATE TABLE p (id INTEGER PRIMARY KEY, up REFERENCES p ON DELETE SET NULL); CREATE TABLE c (p REFERENCES p ON DELETE CASCADE); INSERT INTO p VALUES (1, NULL), (2, 1)",
        "DROP TABLE p",
        None,
    ),
    (
        "self-reference and loss",
        "CREATE TABLE p (id INTEGER PRIMARY KEY, up REFERENCES p ON DELETE SET NULL); CREATE TABLE c (p REFERENCES p ON DELETE CASCADE); INSERT INTO p VALUES (1, NULL), (2, 1); INSERT INTO c VALUES (2)",
        "DROP TABLE p",
        Some("c loses 1 row"),
    ),
    (
        "trigger on the child",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p ON DELETE CASCADE); CREATE TABLE l (x); CREATE TRIGGER t AFTER DELETE ON c BEGIN INSERT INTO l VALUES (old.p); END; INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)",
        "DROP TABLE p",
        Some("c loses 1 row"),
    ),
    (
        "quoted and other case",
        "CREATE TABLE \"a \"\"p\" (id INTEGER PRIMARY KEY); CREATE TABLE \"c d\" (p REFERENCES \"A \"\"P\" ON DELETE CASCADE); INSERT INTO \"a \"\"p\" VALUES (1); INSERT INTO \"c d\" VALUES (1)",
        "DROP TABLE IF EXISTS \"A \"\"p\"",
        Some("c d loses 1 row"),
    ),
    (
        "several drops, the last takes rows",
        "CREATE TABLE x (y); INSERT INTO x VALUES (1); CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p ON DELETE CASCADE); INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)",
        "DROP TABLE IF EXISTS x; DROP TABLE p",
        Some("c loses 1 row"),
    ),
    (
        "children first",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p ON DELETE CASCADE); INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)",
        "DROP TABLE c; DROP TABLE p",
        None,
    ),
    (
        "view",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT * FROM p; INSERT INTO p VALUES (1)",
        "DROP VIEW v; DROP TABLE p",
        None,
    ),
    (
        "temporary table",
        "CREATE TABLE x (y)",
        "CREATE TEMP TABLE p (id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1); DROP TABLE p",
        None,
    ),
    (
        "virtual table",
        "CREATE VIRTUAL TABLE f USING fts5 (x); INSERT INTO f VALUES ('a'); CREATE VIRTUAL TABLE r USING rtree (id, a, b)",
        "DROP TABLE f; DROP TABLE r",
        None,
    ),
    (
        "absent",
        "CREATE TABLE x (y)",
        "DROP TABLE IF EXISTS nosuch",
        None,
    ),
    (
        "enforcement off at the head",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p ON DELETE CASCADE); INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)",
        "PRAGMA foreign_keys = no; CREATE TABLE n (id INTEGER PRIMARY KEY); INSERT INTO n SELECT * FROM p; DROP TABLE p; ALTER TABLE n RENAME TO p",
        None,
    ),
    (
        "old violations are not ours",
        "PRAGMA foreign_keys = 0; CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p); INSERT INTO c VALUES (77); PRAGMA foreign_keys = 1",
        "PRAGMA foreign_keys = OFF; CREATE TABLE n (id INTEGER PRIMARY KEY); DROP TABLE p; ALTER TABLE n RENAME TO p",
        None,
    ),
];

#[test]
fn a_drop_takes_nothing_with_it_unnoticed() {
    for (name, before, script, refused) in CASES {
        for prefix in ["", "-- no-transaction\n"] {
            let sandbox = Sandbox::new("cascade");
            sandbox.database().execute_batch(before).unwrap();
            sandbox.script("1_drop.sql", format!("{prefix}{script};\n"));
            let content = || {
                sandbox.query(
                    "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema ORDER BY name)",
                )
            };
            let untouched = content();
            let output = sandbox.run(&["up"]);
            let stderr = String::from_utf8_lossy(&output.stderr);
            match refused {
                None => assert_eq!(output.status.code(), Some(0), "{name}: {stderr}"),
                Some(words) => {
                    assert_eq!(output.status.code(), Some(1), "{name}: {stderr}");
                    assert!(
                        stderr.contains(words) && stderr.contains("--allow-cascade"),
                        "{name}: {stderr}"
                    );
                    if prefix.is_empty() {
                        assert_eq!(content(), untouched, "{name}");
                    }
                    sandbox.expect(0, &["up", "--allow-cascade"]);
                }
            }
            assert_eq!(sandbox.query("PRAGMA integrity_check"), "ok");
        }
    }
}
