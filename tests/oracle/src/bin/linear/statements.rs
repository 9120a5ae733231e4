//! n statements of a kind in one script.

use crate::stage::{Case, Run};
use oracle::scripts::{lines, table};

pub const CASES: &[Case] = &[
    ("n drops of unrelated tables", 500, |stage, _, n| {
        stage.prepare(&lines(n, table));
        stage.lines(n, |n| format!("DROP TABLE t{n};"));
        Run::new("up")
    }),
    (
        "n drops along a chain, children first",
        250,
        |stage, _, n| {
            stage.prepare(&lines(n, |n| {
                format!(
                    "CREATE TABLE t{n} (id INTEGER PRIMARY KEY, p INTEGER REFERENCES t{});",
                    n - 1
                )
            }));
            stage.script(1, &lines(n, |i| format!("DROP TABLE t{};", n + 1 - i)));
            Run::new("up")
        },
    ),
    (
        "n drops along a chain, parents first",
        250,
        |stage, _, n| {
            stage.prepare(&lines(n, |n| {
                format!(
                    "CREATE TABLE t{n} (id INTEGER PRIMARY KEY, p INTEGER REFERENCES t{});",
                    n - 1
                )
            }));
            stage.lines(n, |n| format!("DROP TABLE t{n};"));
            Run::new("up")
        },
    ),
    ("n drops of indexes", 500, |stage, _, n| {
        stage.prepare(&lines(n, table));
        stage.lines(n, |n| format!("DROP INDEX i{n};"));
        Run::new("up")
    }),
    ("n drops of views", 500, |stage, _, n| {
        stage.prepare(&lines(n, |n| {
            format!("CREATE VIEW v{n} AS SELECT {n} AS a;")
        }));
        stage.lines(n, |n| format!("DROP VIEW v{n};"));
        Run::new("up")
    }),
    ("n tables and indexes made", 500, |stage, _, n| {
        stage.lines(n, table);
        Run::new("up")
    }),
    ("n triggers made", 500, |stage, _, n| {
        stage.prepare("CREATE TABLE t (x);");
        stage.lines(n, |n| {
            format!("CREATE TRIGGER r{n} AFTER INSERT ON t BEGIN SELECT {n}; END;")
        });
        Run::new("up")
    }),
    ("n views made", 500, |stage, _, n| {
        stage.prepare("CREATE TABLE t (x);");
        stage.lines(n, |n| {
            format!("CREATE VIEW v{n} AS SELECT x, {n} AS y FROM t;")
        });
        Run::new("up")
    }),
    ("n columns added to one table", 250, |stage, _, n| {
        stage.prepare("CREATE TABLE t (x);");
        stage.lines(n, |n| format!("ALTER TABLE t ADD COLUMN c{n} TEXT;"));
        Run::new("up")
    }),
    ("n columns added to n tables", 250, |stage, _, n| {
        stage.prepare(&lines(n, table));
        stage.lines(n, |n| format!("ALTER TABLE t{n} ADD COLUMN c TEXT;"));
        Run::new("up")
    }),
    ("n columns renamed", 100, |stage, _, n| {
        stage.prepare(&lines(n, table));
        stage.lines(n, |n| {
            format!("ALTER TABLE t{n} RENAME COLUMN name TO title;")
        });
        Run::new("up")
    }),
    ("n rebuilds, keys off", 100, |stage, _, n| {
        stage.prepare(&lines(n, |n| format!("CREATE TABLE t{n} (id INTEGER PRIMARY KEY, p INTEGER REFERENCES t1); CREATE INDEX i{n} ON t{n} (p); INSERT INTO t{n} VALUES (1, 1);")));
        stage.script(1, &format!("PRAGMA foreign_keys = OFF;\n{}PRAGMA foreign_keys = ON;\n", lines(n, |n| format!(
            "CREATE TABLE new (id INTEGER PRIMARY KEY, p INTEGER REFERENCES t1, q TEXT);\nINSERT INTO new SELECT id, p, NULL FROM t{n};\nDROP TABLE t{n};\nALTER TABLE new RENAME TO t{n};\nCREATE INDEX i{n} ON t{n} (p);"
        ))));
        Run::new("up").without_keys()
    }),
    ("n rebuilds, keys on", 100, |stage, _, n| {
        stage.prepare(&lines(n, |n| format!("CREATE TABLE t{n} (id INTEGER PRIMARY KEY, p INTEGER); INSERT INTO t{n} VALUES (1, 1);")));
        stage.lines(n, |n| format!(
            "CREATE TABLE new (id INTEGER PRIMARY KEY, p INTEGER, q TEXT);\nINSERT INTO new SELECT id, p, NULL FROM t{n};\nDROP TABLE t{n};\nALTER TABLE new RENAME TO t{n};"
        ));
        Run::new("up")
    }),
    ("n scripts, a rebuild each, keys off", 100, |stage, _, n| {
        stage.prepare(&lines(n, |n| format!("CREATE TABLE t{n} (id INTEGER PRIMARY KEY, p INTEGER REFERENCES t1); INSERT INTO t{n} VALUES (1, 1);")));
        stage.scripts(n, |n| format!(
            "PRAGMA foreign_keys = OFF;\nCREATE TABLE new (id INTEGER PRIMARY KEY, p INTEGER REFERENCES t1, q TEXT);\nINSERT INTO new SELECT id, p, NULL FROM t{n};\nDROP TABLE t{n};\nALTER TABLE new RENAME TO t{n};\n"
        ));
        Run::new("up").without_keys()
    }),
    ("n switches of keys", 1_000, |stage, _, n| {
        stage.prepare("CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p); INSERT INTO p VALUES (1);");
        stage.lines(n, |n| format!("PRAGMA foreign_keys = OFF;\nINSERT INTO c VALUES ({n}, 1);\nPRAGMA foreign_keys = ON;"));
        Run::new("up").alone()
    }),
    ("n REPLACEs of new rows", 10_000, |stage, _, n| {
        stage.prepare("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE);");
        stage.lines(n, |n| format!("REPLACE INTO t VALUES ({n}, 'name {n}');"));
        Run::new("up")
    }),
    (
        "n REPLACEs of old rows with children",
        5_000,
        |stage, _, n| {
            stage.prepare(&format!("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE); CREATE TABLE c (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t ON DELETE CASCADE); CREATE INDEX ct ON c (t);\n{}", lines(n, |n| format!("INSERT INTO t VALUES ({n}, 'old {n}');"))));
            stage.lines(n, |n| format!("REPLACE INTO t VALUES ({n}, 'name {n}');"));
            Run::new("up")
        },
    ),
    ("n UPSERTs", 10_000, |stage, _, n| {
        stage.prepare(&format!(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT);\n{}",
            lines(n, |n| format!("INSERT INTO t VALUES ({n}, 'old {n}');"))
        ));
        stage.lines(n, |n| format!("INSERT INTO t VALUES ({n}, 'name {n}') ON CONFLICT (id) DO UPDATE SET name = excluded.name;"));
        Run::new("up")
    }),
    ("n UPDATEs", 10_000, |stage, _, n| {
        stage.prepare(&format!(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT);\n{}",
            lines(n, |n| format!("INSERT INTO t VALUES ({n}, 'old {n}');"))
        ));
        stage.lines(n, |n| {
            format!("UPDATE t SET name = 'name {n}' WHERE id = {n};")
        });
        Run::new("up")
    }),
    ("n DELETEs with keys", 10_000, |stage, _, n| {
        stage.prepare(&format!("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE c (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t ON DELETE CASCADE); CREATE INDEX ct ON c (t);\n{}", lines(n, |n| format!("INSERT INTO t VALUES ({n}, 'old {n}'); INSERT INTO c VALUES ({n}, {n});"))));
        stage.lines(n, |n| format!("DELETE FROM t WHERE id = {n};"));
        Run::new("up")
    }),
    ("n INSERTs with deferred keys", 10_000, |stage, _, n| {
        stage.prepare("CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p DEFERRABLE INITIALLY DEFERRED);");
        stage.lines(n, |n| {
            format!("INSERT INTO c VALUES ({n}, {n});\nINSERT INTO p VALUES ({n});")
        });
        Run::new("up")
    }),
    (
        "n statements after defer_foreign_keys",
        10_000,
        |stage, _, n| {
            stage.prepare("CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p);");
            stage.script(
                1,
                &format!(
                    "PRAGMA defer_foreign_keys = ON;\n{}",
                    lines(n, |n| format!(
                        "INSERT INTO c VALUES ({n}, {n});\nINSERT INTO p VALUES ({n});"
                    ))
                ),
            );
            Run::new("up")
        },
    ),
    ("n temporary tables left behind", 500, |stage, _, n| {
        stage.lines(n, |n| format!("CREATE TEMP TABLE t{n} (x);"));
        Run::new("up")
    }),
    ("n temporary views left behind", 500, |stage, _, n| {
        stage.lines(n, |n| format!("CREATE TEMP VIEW v{n} AS SELECT {n};"));
        Run::new("up")
    }),
    ("n scripts, a temporary table each", 250, |stage, _, n| {
        stage.scripts(n, |n| {
            format!("CREATE TEMP TABLE t{n} (x);\nINSERT INTO t{n} VALUES (1);")
        });
        Run::new("up --single-transaction")
    }),
    (
        "n statements after writable_schema",
        5_000,
        |stage, _, n| {
            stage.prepare(&lines(100, table));
            stage.script(
                1,
                &format!(
                    "PRAGMA writable_schema = ON;\n{}",
                    lines(n, |n| format!("INSERT INTO t1 VALUES ({n}, 'name {n}');"))
                ),
            );
            Run::new("up")
        },
    ),
    ("n writes to sqlite_schema", 500, |stage, _, n| {
        stage.prepare(&lines(n, table));
        stage.script(1, &format!("PRAGMA writable_schema = ON;\n{}", lines(n, |n| format!("UPDATE sqlite_schema SET sql = replace(sql, 'TEXT NOT NULL', 'TEXT') WHERE name = 't{n}';"))));
        Run::new("up")
    }),
    ("n savepoints, one after the other", 5_000, |stage, _, n| {
        stage.prepare("CREATE TABLE t (x);");
        stage.lines(n, |n| {
            format!("SAVEPOINT s;\nINSERT INTO t VALUES ({n});\nRELEASE s;")
        });
        Run::new("up")
    }),
    ("n savepoints in each other", 250, |stage, _, n| {
        stage.prepare("CREATE TABLE t (x);");
        stage.lines(n, |n| {
            format!("SAVEPOINT s{n};\nINSERT INTO t VALUES ({n});")
        });
        Run::new("up").alone()
    }),
    ("n COMMIT and BEGIN in a script", 2_500, |stage, _, n| {
        stage.prepare("CREATE TABLE t (x);");
        stage.lines(n, |n| {
            format!("COMMIT;\nBEGIN;\nINSERT INTO t VALUES ({n});")
        });
        Run::new("up").alone()
    }),
    ("n pragmas", 2_500, |stage, _, n| {
        stage.lines(n, |n| format!("PRAGMA cache_size = {n};"));
        Run::new("up")
    }),
    ("n warnings in one script", 1_000, |stage, _, n| {
        stage.prepare("CREATE TABLE t (x);");
        stage.lines(n, |n| format!("INSERT INTO t VALUES (\"name {n}\");"));
        Run::new("up")
    }),
    ("n SELECTs", 10_000, |stage, _, n| {
        stage.prepare("CREATE TABLE t (x);");
        stage.lines(n, |n| format!("SELECT x FROM t WHERE x = {n};"));
        Run::new("up")
    }),
    ("n rows in a search index", 2_500, |stage, _, n| {
        stage.script(
            1,
            &format!(
                "CREATE VIRTUAL TABLE f USING fts5(x);\n{}",
                lines(n, |n| format!(
                    "INSERT INTO f VALUES ('some words and {n}');"
                ))
            ),
        );
        Run::new("up")
    }),
];
