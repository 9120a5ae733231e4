//! Is everything said that a script did and its author may not have meant, and nothing
//! that is not so?

use crate::support::Sandbox;

/// The name, the first script, those that follow it in one run, its options, its exit
/// code, and what it says and does not say.
type Case = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    i32,
    &'static [&'static str],
    &'static [&'static str],
);

const CASES: &[Case] = &[
    (
        "unclosed inner",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &["INSERT INTO p VALUES(5,'x') /* open\n; DELETE FROM p;"],
        &[],
        0,
        &["never closed"],
        &[],
    ),
    (
        "unclosed after",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &["INSERT INTO p VALUES(5,'x'); /* open\n; DELETE FROM p;"],
        &[],
        0,
        &["never closed"],
        &[],
    ),
    (
        "closed",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &["INSERT INTO p VALUES(5,'/* x') /* c */ ;"],
        &[],
        0,
        &[],
        &["warning"],
    ),
    (
        "rebuild loses all",
        "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a, b); CREATE UNIQUE INDEX u ON t(a); CREATE INDEX ib ON t(b); CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; END; INSERT INTO t(a,b) VALUES(1,2),(2,3); DELETE FROM t WHERE id=2;",
        &[
            "CREATE TABLE n(id INTEGER PRIMARY KEY, a, b); INSERT INTO n SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;",
        ],
        &[],
        0,
        &["index u", "index ib", "trigger tr", "high-water"],
        &[],
    ),
    (
        "rebuild unique lost",
        "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a, b); CREATE UNIQUE INDEX u ON t(a); CREATE INDEX ib ON t(b); CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; END; INSERT INTO t(a,b) VALUES(1,2),(2,3); DELETE FROM t WHERE id=2;",
        &[
            "CREATE TABLE n(id INTEGER PRIMARY KEY AUTOINCREMENT, a, b); INSERT INTO n SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t; CREATE INDEX u ON t(a); CREATE INDEX ib ON t(b); CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; END;",
        ],
        &[],
        0,
        &["no longer UNIQUE"],
        &[],
    ),
    (
        "rebuild ok",
        "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a, b); CREATE UNIQUE INDEX u ON t(a); CREATE INDEX ib ON t(b); CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; END; INSERT INTO t(a,b) VALUES(1,2),(2,3); DELETE FROM t WHERE id=2;",
        &[
            "CREATE TABLE n(id INTEGER PRIMARY KEY AUTOINCREMENT, a UNIQUE, b); INSERT INTO n SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t; CREATE INDEX ib2 ON t(b); CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; END; UPDATE sqlite_sequence SET seq=2 WHERE name='t';",
        ],
        &[],
        0,
        &[],
        &["warning"],
    ),
    (
        "rename aside index stays",
        "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a, b); CREATE UNIQUE INDEX u ON t(a); CREATE INDEX ib ON t(b); CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; END; INSERT INTO t(a,b) VALUES(1,2),(2,3); DELETE FROM t WHERE id=2;",
        &[
            "ALTER TABLE t RENAME TO old; CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a, b); INSERT INTO t SELECT * FROM old;",
        ],
        &[],
        0,
        &["which is on old"],
        &[],
    ),
    (
        "column removed",
        "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a, b); CREATE UNIQUE INDEX u ON t(a); CREATE INDEX ib ON t(b); CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; END; INSERT INTO t(a,b) VALUES(1,2),(2,3); DELETE FROM t WHERE id=2;",
        &[
            "CREATE TABLE n(id INTEGER PRIMARY KEY AUTOINCREMENT, b); INSERT INTO n SELECT id,b FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t; CREATE INDEX ib ON t(b); CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; END;",
        ],
        &[],
        0,
        &[],
        &["index u"],
    ),
    (
        "now pk",
        "CREATE TABLE t(id INT NOT NULL, a); CREATE UNIQUE INDEX u ON t(id);",
        &[
            "CREATE TABLE n(id INTEGER PRIMARY KEY, a); INSERT INTO n SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;",
        ],
        &[],
        0,
        &[],
        &["warning"],
    ),
    (
        "view loses instead of",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);CREATE VIEW w AS SELECT * FROM p; CREATE TRIGGER wt INSTEAD OF INSERT ON w BEGIN SELECT 1; END;",
        &["DROP VIEW w; CREATE VIEW w AS SELECT id,v FROM p;"],
        &[],
        0,
        &["trigger wt"],
        &[],
    ),
    (
        "reuse rowid",
        "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a); INSERT INTO t(a) VALUES(1),(2); DELETE FROM t;",
        &["DROP TABLE t; CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a);"],
        &[],
        0,
        &["high-water"],
        &[],
    ),
    (
        "two dead triggers",
        "CREATE TABLE a(x); CREATE TABLE b(x); CREATE TABLE l(x); CREATE TRIGGER t1 AFTER INSERT ON l BEGIN INSERT INTO a VALUES(1); END; CREATE TRIGGER t2 AFTER INSERT ON l BEGIN INSERT INTO b VALUES(1); END;",
        &["DROP TABLE a; DROP TABLE b;"],
        &[],
        0,
        &["trigger t1", "trigger t2"],
        &[],
    ),
    (
        "innocent trigger",
        "CREATE TABLE a(x); CREATE TABLE aa(x); CREATE TABLE l(x); CREATE TRIGGER t1 AFTER INSERT ON l BEGIN INSERT INTO a VALUES(1); END; CREATE TRIGGER t2 AFTER INSERT ON l BEGIN INSERT INTO aa VALUES(1); END;",
        &["DROP TABLE a;"],
        &[],
        0,
        &["trigger t1"],
        &["trigger t2"],
    ),
    (
        "object made in an earlier script",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &[
            "CREATE TABLE q(x); DROP TABLE q; CREATE TABLE r(x); CREATE VIEW rv AS SELECT * FROM r;",
            "DROP TABLE r;",
        ],
        &[],
        0,
        &["view rv"],
        &[],
    ),
    (
        "positional temp",
        "CREATE TABLE o(a,b); INSERT INTO o VALUES(1,2);",
        &["CREATE TEMP TABLE n(b,a); INSERT INTO n SELECT * FROM o; DROP TABLE n;"],
        &[],
        0,
        &["goes into"],
        &[],
    ),
    (
        "positional",
        "CREATE TABLE o(a,b); INSERT INTO o VALUES(1,2);",
        &["CREATE TABLE n(b,a); INSERT INTO n SELECT * FROM o;"],
        &[],
        0,
        &["goes into"],
        &[],
    ),
    (
        "positional cte",
        "CREATE TABLE o(a,b); INSERT INTO o VALUES(1,2);",
        &["CREATE TABLE n(b,a); WITH x AS (SELECT * FROM o) INSERT INTO n SELECT * FROM x;"],
        &[],
        0,
        &["goes into"],
        &[],
    ),
    (
        "positional replace",
        "CREATE TABLE o(a,b); INSERT INTO o VALUES(1,2);",
        &["CREATE TABLE n(b,a); REPLACE INTO main.n AS k SELECT * FROM o;"],
        &[],
        0,
        &["goes into"],
        &[],
    ),
    (
        "positional ok expr",
        "CREATE TABLE o(a,b); INSERT INTO o VALUES(1,2);",
        &["CREATE TABLE n(b,a); INSERT INTO n SELECT a+b, b FROM o;"],
        &[],
        0,
        &[],
        &[],
    ),
    (
        "values with fk",
        "CREATE TABLE p(a,b,PRIMARY KEY(a,b)); CREATE TABLE c(b,a,FOREIGN KEY(a,b) REFERENCES p(a,b)); INSERT INTO p VALUES(1,2);",
        &["INSERT INTO c VALUES(2,1);"],
        &[],
        0,
        &[],
        &["warning"],
    ),
    (
        "writable schema left",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &["PRAGMA writable_schema=ON;"],
        &[],
        0,
        &["writable_schema"],
        &[],
    ),
    (
        "rails temp sequence",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &["CREATE TEMP TABLE q(id INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE q;"],
        &[],
        0,
        &[],
        &["warning"],
    ),
    (
        "defer drop rename one",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &[
            "PRAGMA defer_foreign_keys=ON; CREATE TABLE n(id INTEGER PRIMARY KEY,v); INSERT INTO n SELECT * FROM p; DROP TABLE p; ALTER TABLE n RENAME TO p;",
        ],
        &[],
        1,
        &["FOREIGN KEY"],
        &[],
    ),
    (
        "defer drop rename --dry-run",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &[
            "PRAGMA defer_foreign_keys=ON; CREATE TABLE n(id INTEGER PRIMARY KEY,v); INSERT INTO n SELECT * FROM p; DROP TABLE p; ALTER TABLE n RENAME TO p;",
            "SELECT 1;",
        ],
        &["--dry-run"],
        1,
        &["FOREIGN KEY"],
        &[],
    ),
    (
        "defer refill --dry-run",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &[
            "PRAGMA defer_foreign_keys=ON; CREATE TABLE n AS SELECT * FROM p; DROP TABLE p; CREATE TABLE p(id INTEGER PRIMARY KEY,v); INSERT INTO p SELECT * FROM n; DROP TABLE n;",
            "SELECT 1;",
        ],
        &["--dry-run"],
        0,
        &[],
        &[],
    ),
    (
        "defer drop rename --single-transaction",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &[
            "PRAGMA defer_foreign_keys=ON; CREATE TABLE n(id INTEGER PRIMARY KEY,v); INSERT INTO n SELECT * FROM p; DROP TABLE p; ALTER TABLE n RENAME TO p;",
            "SELECT 1;",
        ],
        &["--single-transaction"],
        1,
        &["FOREIGN KEY"],
        &[],
    ),
    (
        "defer refill --single-transaction",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &[
            "PRAGMA defer_foreign_keys=ON; CREATE TABLE n AS SELECT * FROM p; DROP TABLE p; CREATE TABLE p(id INTEGER PRIMARY KEY,v); INSERT INTO p SELECT * FROM n; DROP TABLE n;",
            "SELECT 1;",
        ],
        &["--single-transaction"],
        0,
        &[],
        &[],
    ),
    (
        "no action",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &["DROP TABLE p;"],
        &[],
        1,
        &["2 rows of c"],
        &["allow-cascade"],
    ),
    (
        "restrict",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE RESTRICT); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &["DROP TABLE p;"],
        &[],
        1,
        &["2 rows of c"],
        &["allow-cascade"],
    ),
    (
        "strict outside setting",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &["-- no-transaction\nCREATE TABLE z(x);\nPRAGMA legacy_alter_table=ON;"],
        &["--strict"],
        65,
        &[],
        &["none of its"],
    ),
    (
        "strict outside dead",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);CREATE VIEW w AS SELECT * FROM c;",
        &["-- no-transaction\nDROP TABLE c;"],
        &["--strict"],
        65,
        &["view w"],
        &[],
    ),
    (
        "quoting",
        "CREATE TABLE \"a b\"(id INTEGER PRIMARY KEY, x); CREATE VIRTUAL TABLE \"f x\" USING fts5(x, content='a b', content_rowid='id'); INSERT INTO \"a b\" VALUES(1,'q'),(2,'z'); INSERT INTO \"f x\"(\"f x\") VALUES('rebuild');",
        &[
            "CREATE TABLE n(id INTEGER PRIMARY KEY, x); INSERT INTO n SELECT id+10,x FROM \"a b\"; DROP TABLE \"a b\"; ALTER TABLE n RENAME TO \"a b\";",
        ],
        &[],
        0,
        &["INSERT INTO \"f x\" (\"f x\")"],
        &[],
    ),
    (
        "temp_store",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &["PRAGMA temp_store=5;"],
        &[],
        0,
        &[],
        &["tables already"],
    ),
    (
        "auto_vacuum off",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &["PRAGMA auto_vacuum=off;"],
        &[],
        0,
        &[],
        &[],
    ),
    (
        "lower exists",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &["alter table p add column if not exists z;"],
        &[],
        1,
        &["a migration runs once"],
        &[],
    ),
    (
        "fk hex",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &["PRAGMA foreign_keys=0x1; DELETE FROM p WHERE id=1;"],
        &[],
        0,
        &[],
        &[],
    ),
    (
        "temp journal",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &["PRAGMA temp.journal_mode=WAL;"],
        &[],
        0,
        &[],
        &[],
    ),
    (
        "user_version then wal",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &["PRAGMA user_version=4; PRAGMA journal_mode=WAL;"],
        &[],
        0,
        &["journal_mode"],
        &[],
    ),
    (
        "unknown twice",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &["PRAGMA key='a'; PRAGMA key='b';"],
        &[],
        0,
        &[],
        &[],
    ),
    (
        "loadext view",
        "CREATE VIEW w AS SELECT load_extension('x');",
        &["SELECT * FROM w;"],
        &[],
        1,
        &["sqlite_extensions"],
        &[],
    ),
    (
        "loadext",
        "CREATE TABLE p(id INTEGER PRIMARY KEY,v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO p VALUES(1,'a'),(2,'b'); INSERT INTO c VALUES(10,1),(20,2);",
        &["SELECT load_extension('x');"],
        &[],
        1,
        &["sqlite_extensions"],
        &[],
    ),
];

#[test]
fn what_was_not_meant_is_said_and_nothing_else() {
    for (name, first, scripts, options, code, says, never) in CASES {
        let sandbox = Sandbox::new("words");
        sandbox.script("1_first.sql", format!("{first}\n"));
        sandbox.expect(0, &["up"]);
        for (number, script) in scripts.iter().enumerate() {
            sandbox.script(&format!("{}_next.sql", number + 2), format!("{script}\n"));
        }
        let mut arguments = vec!["up"];
        arguments.extend(*options);
        let output = sandbox.run(&arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "{name}: {stderr}");
        for words in *says {
            assert!(stderr.contains(words), "{name}, {words}: {stderr}");
        }
        for words in *never {
            assert!(!stderr.contains(words), "{name}, {words}: {stderr}");
        }
    }
}
