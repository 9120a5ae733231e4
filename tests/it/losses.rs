//! Can a statement take rows with it, or leave rows that refer to nothing, unnoticed?

use crate::support::Sandbox;

/// What is there before, the script, and what it must come to: applied without a word, or
/// refused with a message that holds these words, and nothing changed.
const CASES: &[(&str, &str, &str, Option<&str>)] = &[
    (
        "self rebuild keys on",
        "CREATE TABLE e(id INTEGER PRIMARY KEY, b REFERENCES e ON DELETE CASCADE, v UNIQUE); INSERT INTO e VALUES(1,NULL,'a'),(2,1,'b'),(3,2,'c');",
        "CREATE TABLE n(id INTEGER PRIMARY KEY, b REFERENCES e ON DELETE CASCADE, v UNIQUE); INSERT INTO n SELECT * FROM e; DROP TABLE e; ALTER TABLE n RENAME TO e;",
        Some("take rows"),
    ),
    (
        "self rebuild set null",
        "CREATE TABLE e(id INTEGER PRIMARY KEY, b REFERENCES e ON DELETE SET NULL, v UNIQUE); INSERT INTO e VALUES(1,NULL,'a'),(2,1,'b'),(3,2,'c');",
        "CREATE TABLE n(id INTEGER PRIMARY KEY, b REFERENCES e ON DELETE SET NULL, v UNIQUE); INSERT INTO n SELECT * FROM e; DROP TABLE e; ALTER TABLE n RENAME TO e;",
        Some("references"),
    ),
    (
        "set null of rows that a trigger writes to, too",
        "CREATE TABLE p(id INTEGER PRIMARY KEY, v UNIQUE); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE SET NULL, n); INSERT INTO p VALUES(1,'a'); INSERT INTO c VALUES(10,1,0),(20,1,0),(30,NULL,0); CREATE TRIGGER t AFTER INSERT ON p BEGIN INSERT INTO c VALUES(1,NULL,0); UPDATE c SET n = n + 1; END;",
        "REPLACE INTO p VALUES(2,'a');",
        Some("c loses 2 of its references"),
    ),
    (
        "a key that the script has added",
        "CREATE TABLE p(id INTEGER PRIMARY KEY, v); CREATE TABLE c(id INTEGER PRIMARY KEY);",
        "REPLACE INTO p VALUES(1,'a'); ALTER TABLE c ADD COLUMN p REFERENCES p(id) ON DELETE CASCADE; INSERT INTO c VALUES(10,1); REPLACE INTO p VALUES(1,'b');",
        Some("c loses 1"),
    ),
    (
        "both rebuilt",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        "CREATE TABLE p2(id INTEGER PRIMARY KEY,v,w); INSERT INTO p2 SELECT *,0 FROM p; CREATE TABLE c2(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO c2 SELECT * FROM c; DROP TABLE c; DROP TABLE p; ALTER TABLE p2 RENAME TO p; ALTER TABLE c2 RENAME TO c;",
        Some("c2 loses 2"),
    ),
    (
        "drop p rename c",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        "DROP TABLE p; ALTER TABLE c RENAME TO c2;",
        Some("take rows"),
    ),
    (
        "rename copy drop",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        "DROP TABLE p; ALTER TABLE c RENAME TO x; CREATE TABLE y AS SELECT * FROM x; DROP TABLE x;",
        Some("take rows"),
    ),
    (
        "drop both",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        "DROP TABLE p; DROP TABLE c;",
        None,
    ),
    (
        "drop p, rename c, drop",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        "DROP TABLE p; ALTER TABLE c RENAME TO x; DROP TABLE x;",
        None,
    ),
    (
        "drop p, drop c, new c",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        "DROP TABLE p; DROP TABLE c; CREATE TABLE c(x);",
        Some("take rows"),
    ),
    (
        "upd or repl setnull",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v UNIQUE); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE SET NULL); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        "UPDATE OR REPLACE p SET v='a' WHERE id=2;",
        Some("references"),
    ),
    (
        "upd or repl nothing",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v UNIQUE); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE SET NULL); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        "UPDATE OR REPLACE p SET v='z' WHERE id=2;",
        None,
    ),
    (
        "ins or repl self setnull",
        "CREATE TABLE e(id INTEGER PRIMARY KEY, b REFERENCES e ON DELETE SET NULL, v UNIQUE); INSERT INTO e VALUES(1,NULL,'a'),(2,1,'b'),(3,2,'c');",
        "INSERT OR REPLACE INTO e VALUES(1,NULL,'a');",
        Some("references"),
    ),
    (
        "ins or repl self leaf",
        "CREATE TABLE e(id INTEGER PRIMARY KEY, b REFERENCES e ON DELETE SET NULL, v UNIQUE); INSERT INTO e VALUES(1,NULL,'a'),(2,1,'b'),(3,2,'c');",
        "INSERT OR REPLACE INTO e VALUES(3,NULL,'c');",
        None,
    ),
    (
        "ins or repl self cascade",
        "CREATE TABLE e(id INTEGER PRIMARY KEY, b REFERENCES e ON DELETE CASCADE, v UNIQUE); INSERT INTO e VALUES(1,NULL,'a'),(2,1,'b'),(3,2,'c');",
        "INSERT OR REPLACE INTO e VALUES(1,NULL,'a');",
        Some("loses"),
    ),
    (
        "upd or repl self cascade",
        "CREATE TABLE e(id INTEGER PRIMARY KEY, b REFERENCES e ON DELETE CASCADE, v UNIQUE); INSERT INTO e VALUES(1,NULL,'a'),(2,1,'b'),(3,2,'c');",
        "UPDATE OR REPLACE e SET v='a' WHERE id=3;",
        Some("loses"),
    ),
    (
        "upd or repl self setnull",
        "CREATE TABLE e(id INTEGER PRIMARY KEY, b REFERENCES e ON DELETE SET NULL, v UNIQUE); INSERT INTO e VALUES(1,NULL,'a'),(2,1,'b'),(3,2,'c');",
        "UPDATE OR REPLACE e SET v='a' WHERE id=3;",
        Some("loses"),
    ),
    (
        "upd two columns self",
        "CREATE TABLE e(id INTEGER PRIMARY KEY, b REFERENCES e ON DELETE SET NULL, v UNIQUE); INSERT INTO e VALUES(1,NULL,'a'),(2,1,'b'),(3,2,'c');",
        "UPDATE e SET v='q',b=1 WHERE id=3;",
        None,
    ),
    (
        "upsert self",
        "CREATE TABLE e(id INTEGER PRIMARY KEY, b REFERENCES e ON DELETE CASCADE, v UNIQUE); INSERT INTO e VALUES(1,NULL,'a'),(2,1,'b'),(3,2,'c');",
        "INSERT INTO e VALUES(1,NULL,'z') ON CONFLICT(id) DO UPDATE SET v=excluded.v;",
        None,
    ),
    (
        "trigger replaces on delete",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v UNIQUE); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);CREATE TABLE q(x); INSERT INTO q VALUES(1);CREATE TRIGGER t AFTER DELETE ON q BEGIN UPDATE OR REPLACE p SET v='a' WHERE id=2; END;",
        "DELETE FROM q WHERE x=1;",
        Some("c loses 1"),
    ),
    (
        "temp trigger replaces",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v UNIQUE); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);CREATE TABLE q(x); INSERT INTO q VALUES(1);",
        "CREATE TEMP TABLE tt(x); CREATE TEMP TRIGGER t AFTER INSERT ON tt BEGIN INSERT OR REPLACE INTO p VALUES(1,'a'); END; INSERT INTO tt VALUES(1); DROP TABLE tt;",
        Some("c loses 1"),
    ),
    (
        "replace with trigger delete",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);CREATE TRIGGER t AFTER INSERT ON p BEGIN DELETE FROM p WHERE id=99; END;",
        "REPLACE INTO p VALUES(1,'z');",
        Some("c loses 1"),
    ),
    (
        "nontx own tx",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        "-- no-transaction\nBEGIN; DROP TABLE p; COMMIT;",
        Some("take rows"),
    ),
    (
        "attached drop",
        "CREATE TABLE z(x);",
        "ATTACH ':memory:' AS m; CREATE TABLE m.p(id INTEGER PRIMARY KEY); CREATE TABLE m.c(p REFERENCES p ON DELETE CASCADE); INSERT INTO m.p VALUES(1); INSERT INTO m.c VALUES(1); DROP TABLE m.p;",
        Some("c loses 1"),
    ),
    (
        "attached orphan",
        "CREATE TABLE z(x);",
        "ATTACH 'm.db' AS m; CREATE TABLE m.p(id INTEGER PRIMARY KEY); CREATE TABLE m.c(p REFERENCES p ON DELETE CASCADE); INSERT INTO m.p VALUES(1); INSERT INTO m.c VALUES(1); PRAGMA foreign_keys=OFF; DELETE FROM m.p;",
        Some("m.c row 1 -> p"),
    ),
    (
        "orphan later table",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        "PRAGMA foreign_keys=OFF; UPDATE p SET v='q'; CREATE TABLE c2(p REFERENCES p(id)); INSERT INTO c2 VALUES(1); DELETE FROM p WHERE id=1; DELETE FROM c WHERE p=1;",
        Some("c2 row 1 -> p"),
    ),
    (
        "orphan later table 2",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        "CREATE TABLE c2(p REFERENCES p(id)); INSERT INTO c2 VALUES(1); PRAGMA foreign_keys=OFF; DELETE FROM p WHERE id=1; DELETE FROM c WHERE p=1;",
        Some("c2 row 1 -> p"),
    ),
    (
        "add column refs",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        "PRAGMA foreign_keys=OFF; ALTER TABLE c ADD COLUMN p2 REFERENCES p(id) DEFAULT 99;",
        Some("c row 10 -> p"),
    ),
    (
        "legacy rename",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        "PRAGMA foreign_keys=OFF; PRAGMA legacy_alter_table=ON; ALTER TABLE p RENAME TO p_old; PRAGMA legacy_alter_table=OFF;",
        Some("-> p"),
    ),
    (
        "two parents",
        "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE q(id INTEGER PRIMARY KEY); CREATE TABLE c(a REFERENCES p REFERENCES q); INSERT INTO p VALUES(1); INSERT INTO q VALUES(1); INSERT INTO c VALUES(1);",
        "PRAGMA foreign_keys=OFF; DELETE FROM q;",
        Some("c row 1 -> q"),
    ),
    (
        "trigger on cascade of drop",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);CREATE TABLE keep(x); INSERT INTO keep VALUES(1); CREATE TRIGGER t AFTER DELETE ON c BEGIN DELETE FROM keep; END;",
        "DROP TABLE p; DROP TABLE c;",
        Some("keep loses 1"),
    ),
    (
        "meant on update set null",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(p REFERENCES p ON UPDATE SET NULL); CREATE TABLE log(x); CREATE TRIGGER t AFTER UPDATE ON p BEGIN INSERT INTO log VALUES(1); END; INSERT INTO p VALUES(1,1); INSERT INTO c VALUES(1);",
        "UPDATE p SET id=5;",
        None,
    ),
    (
        "meant trigger update",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(p REFERENCES p ON UPDATE SET NULL); CREATE TABLE q(x); CREATE TRIGGER t AFTER INSERT ON q BEGIN UPDATE p SET id=7; END; INSERT INTO p VALUES(1,1); INSERT INTO c VALUES(1);",
        "INSERT INTO q VALUES(1);",
        None,
    ),
    (
        "meant delete with audit",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);CREATE TABLE log(x); CREATE TRIGGER t AFTER DELETE ON p BEGIN INSERT OR REPLACE INTO log VALUES(1); END;",
        "DELETE FROM p WHERE id=1;",
        None,
    ),
    (
        "conflict clause table",
        "CREATE TABLE p(id INTEGER PRIMARY KEY ON CONFLICT REPLACE,v); CREATE TABLE c(p REFERENCES p ON DELETE CASCADE); INSERT INTO p VALUES(1,1); INSERT INTO c VALUES(1);",
        "INSERT INTO p VALUES(1,2);",
        Some("c loses 1"),
    ),
    (
        "conflict clause self",
        "CREATE TABLE e(id INTEGER PRIMARY KEY, b REFERENCES e ON DELETE SET NULL, v UNIQUE ON CONFLICT REPLACE); INSERT INTO e VALUES(1,NULL,'a'),(2,1,'b');",
        "UPDATE e SET v='a' WHERE id=2;",
        Some("references"),
    ),
    (
        "without rowid child",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(k PRIMARY KEY, p REFERENCES p ON DELETE CASCADE) WITHOUT ROWID; INSERT INTO p VALUES(1,1); INSERT INTO c VALUES(1,1);",
        "REPLACE INTO p VALUES(1,2);",
        Some("c loses 1"),
    ),
    (
        "without rowid child drop",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(k PRIMARY KEY, p REFERENCES p ON DELETE SET NULL) WITHOUT ROWID; INSERT INTO p VALUES(1,1); INSERT INTO c VALUES(1,1);",
        "DROP TABLE p;",
        Some("references"),
    ),
    (
        "chain",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE);CREATE TABLE d(c REFERENCES c ON DELETE CASCADE); INSERT INTO p VALUES(1,1); INSERT INTO c VALUES(1,1); INSERT INTO d VALUES(1);",
        "REPLACE INTO p VALUES(1,2);",
        Some("c loses 1"),
    ),
    (
        "update or replace setnull + on update cascade",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v UNIQUE); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE SET NULL ON UPDATE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        "UPDATE OR REPLACE p SET id=2 WHERE id=1;",
        Some("references"),
    ),
    (
        "update or replace on update cascade fine",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v UNIQUE); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE SET NULL ON UPDATE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        "UPDATE OR REPLACE p SET id=5 WHERE id=1;",
        None,
    ),
    (
        "insert or replace own trigger",
        "CREATE TABLE e(id INTEGER PRIMARY KEY, b REFERENCES e ON DELETE SET NULL, v UNIQUE); INSERT INTO e VALUES(1,NULL,'a'),(2,1,'b'),(3,2,'c');CREATE TRIGGER t AFTER INSERT ON e BEGIN UPDATE e SET v=v||'x' WHERE id=NEW.id; END;",
        "INSERT OR REPLACE INTO e VALUES(9,1,'q');",
        None,
    ),
    (
        "with replace cte",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        "WITH x AS (SELECT 1 AS i) REPLACE INTO p SELECT i,'r' FROM x;",
        Some("c loses 1"),
    ),
    (
        "outer replace to trigger",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v UNIQUE); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);CREATE TABLE q(x); INSERT INTO q VALUES(1);CREATE TRIGGER t AFTER INSERT ON q BEGIN UPDATE p SET v='a' WHERE id=2; END;",
        "INSERT OR REPLACE INTO q VALUES(5);",
        Some("c loses 1"),
    ),
    (
        "view instead of",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v UNIQUE); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);CREATE TABLE q(x); INSERT INTO q VALUES(1);CREATE VIEW w AS SELECT * FROM p; CREATE TRIGGER t INSTEAD OF INSERT ON w BEGIN REPLACE INTO p VALUES(NEW.id,NEW.v); END;",
        "INSERT INTO w VALUES(1,'zz');",
        Some("c loses 1"),
    ),
    (
        "old orphans of another type",
        "PRAGMA foreign_keys = OFF; CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p); INSERT INTO c VALUES (1, 7), (2, 8)",
        "PRAGMA foreign_keys = OFF; CREATE TABLE n (id INTEGER PRIMARY KEY, p REAL REFERENCES p); INSERT INTO n SELECT id + 10, p FROM c; DROP TABLE c; ALTER TABLE n RENAME TO c;",
        None,
    ),
    (
        "a new row of a parent without rowid",
        "CREATE TABLE p (id PRIMARY KEY, v) WITHOUT ROWID; CREATE TABLE c (id PRIMARY KEY, p REFERENCES p ON DELETE CASCADE) WITHOUT ROWID; INSERT INTO p VALUES (1, 1); INSERT INTO c VALUES (1, 1)",
        "REPLACE INTO p VALUES (2, 2), (3, 3); REPLACE INTO c VALUES (1, 1), (4, 2);",
        None,
    ),
    (
        "a replaced row of a parent without rowid",
        "CREATE TABLE p (id PRIMARY KEY, v) WITHOUT ROWID; CREATE TABLE c (id PRIMARY KEY, p REFERENCES p ON DELETE CASCADE) WITHOUT ROWID; INSERT INTO p VALUES (1, 1); INSERT INTO c VALUES (1, 1)",
        "REPLACE INTO p VALUES (1, 2);",
        Some("c loses 1 row"),
    ),
    (
        "a key that is followed, without rowid",
        "CREATE TABLE p (id INTEGER PRIMARY KEY, v); CREATE TABLE c (id PRIMARY KEY, p REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE) WITHOUT ROWID; INSERT INTO p VALUES (1, 1); INSERT INTO c VALUES (1, 1)",
        "UPDATE OR REPLACE p SET id = 5;",
        None,
    ),
];

#[test]
fn no_row_goes_and_no_reference_is_left_dangling_unnoticed() {
    for (name, before, script, refused) in CASES {
        let sandbox = Sandbox::new("losses");
        let database = sandbox.database();
        database.execute_batch(before).unwrap();
        drop(database);
        sandbox.script("1_lose.sql", format!("{script}\n"));
        let dump = || {
            sandbox.query("SELECT group_concat(name || coalesce(sql, '')) FROM sqlite_schema WHERE tbl_name != '_sqlx_migrations'")
        };
        let untouched = dump();
        let output = sandbox.run(&["up"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        match refused {
            None => {
                assert_eq!(code, Some(0), "{name}: {stderr}");
                assert!(!stderr.contains("warning"), "{name}: {stderr}");
            }
            Some(words) => {
                assert_eq!(code, Some(1), "{name}: {stderr}");
                assert!(stderr.contains(words), "{name}: {stderr}");
                assert_eq!(dump(), untouched, "{name}");
            }
        }
        assert_eq!(sandbox.query("PRAGMA integrity_check"), "ok");
    }
}
