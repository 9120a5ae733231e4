//! n scripts, n versions, and scripts of n megabytes.

use crate::stage::{Case, Run};
use oracle::scripts::{inserts, lines, table};

use std::fs;
pub const CASES: &[Case] = &[
    ("n missing versions, refused", 5_000, |stage, _, n| {
        stage.history(n);
        stage.script(n + 1, "SELECT 1;");
        Run::new("up").ends_with(65).alone()
    }),
    ("n edited scripts, refused", 2_500, |stage, _, n| {
        stage.history(n);
        stage.scripts(n, table);
        Run::new("up").ends_with(65).alone()
    }),
    ("n scripts, nothing to do", 5_000, |stage, program, n| {
        stage.scripts(n, |_| String::from("SELECT 1;"));
        stage.applied(program);
        Run::new("up").alone()
    }),
    ("status --json of n scripts", 5_000, |stage, program, n| {
        stage.scripts(n, |_| String::from("SELECT 1;"));
        stage.applied(program);
        Run::new("status --json").alone()
    }),
    ("check --drift of n scripts", 1_000, |stage, program, n| {
        stage.scripts(n, table);
        stage.applied(program);
        Run::new("check --drift").one_transaction()
    }),
    (
        "check --drift, n tables too many",
        1_000,
        |stage, program, n| {
            stage.script(1, "SELECT 1;");
            stage.applied(program);
            stage.prepare(&lines(n, table));
            Run::new("check --drift").ends_with(65).alone()
        },
    ),
    ("--dry-run of n scripts", 500, |stage, _, n| {
        stage.scripts(n, table);
        Run::new("up --dry-run").one_transaction()
    }),
    ("--dry-run, n scripts, INSERTs only", 500, |stage, _, n| {
        stage.prepare(&format!(
            "{}\n{}",
            table(1),
            lines(200, |row| table(row + 1))
        ));
        stage.scripts(n, |n| format!("INSERT INTO t1 VALUES ({n}, 'a');"));
        Run::new("up --dry-run").one_transaction()
    }),
    ("n scripts in one transaction", 1_000, |stage, _, n| {
        stage.scripts(n, table);
        Run::new("up --single-transaction")
    }),
    ("n scripts", 250, |stage, _, n| {
        stage.scripts(n, table);
        Run::new("up")
    }),
    ("down of n scripts", 250, |stage, program, n| {
        stage.scripts(n, table);
        stage.applied(program);
        for n in 1..=n {
            let path = stage.folder.join(format!("{n:06}_t.down.sql"));
            fs::write(path, format!("DROP TABLE t{n};")).expect("a script");
        }
        Run::new("down --to 0").alone()
    }),
    ("repair of n edited scripts", 1_000, |stage, _, n| {
        stage.history(n);
        stage.scripts(n, table);
        let mut run = Run::new("repair").alone();
        run.words.extend((1..=n).map(|n| n.to_string()));
        run
    }),
    ("baseline of n scripts", 1_000, |stage, _, n| {
        stage.prepare("CREATE TABLE t (x);");
        stage.scripts(n, table);
        Run::new(&format!("baseline {n}")).alone()
    }),
    ("schema of n tables", 1_000, |stage, program, n| {
        stage.lines(n, table);
        stage.applied(program);
        Run::new("schema")
    }),
    ("n MB of INSERTs", 5, |stage, _, n| {
        stage.script(1, &inserts(n));
        Run::new("up")
    }),
    ("n MB of INSERTs, --dry-run", 5, |stage, _, n| {
        stage.script(1, &inserts(n));
        Run::new("up --dry-run")
    }),
    ("n MB of INSERTs, nothing to do", 20, |stage, program, n| {
        stage.script(1, &inserts(n));
        stage.applied(program);
        Run::new("up").alone()
    }),
    ("n MB of INSERTs, the last fails", 5, |stage, _, n| {
        stage.script(1, &(inserts(n) + "SELECT nosuch FROM t;\n"));
        Run::new("up").ends_with(1)
    }),
    ("n MB outside a transaction", 5, |stage, _, n| {
        stage.script(
            1,
            &format!("-- no-transaction\nBEGIN;\n{}COMMIT;\n", inserts(n)),
        );
        Run::new("up").alone()
    }),
    ("n MB of comments", 5, |stage, _, n| {
        stage.script(
            1,
            &lines(n * 20_000, |n| {
                format!("-- a comment which says nothing at all {n}")
            }),
        );
        Run::new("up")
    }),
    ("one comment of n MB", 5, |stage, _, n| {
        stage.script(
            1,
            &format!("/*{}*/ SELECT 1;\n", "a comment; \n".repeat(n * 80_000)),
        );
        Run::new("up").alone()
    }),
    ("one statement of n MB", 5, |stage, _, n| {
        stage.script(
            1,
            &format!(
                "CREATE TABLE t (x);\nINSERT INTO t VALUES ('{}');\n",
                "x".repeat(n * 1_000_000)
            ),
        );
        Run::new("up")
    }),
    ("one statement of n MB, many lines", 5, |stage, _, n| {
        stage.script(
            1,
            &format!(
                "CREATE TABLE t (x);\nINSERT INTO t VALUES ('{}');\n",
                "one line;\n".repeat(n * 100_000)
            ),
        );
        Run::new("up")
    }),
    ("one INSERT of n * 1,000 rows", 20, |stage, _, n| {
        let rows: Vec<_> = (1..=n * 1_000)
            .map(|n| format!("({n}, 'name {n}')"))
            .collect();
        stage.script(
            1,
            &format!(
                "CREATE TABLE t (x, y);\nINSERT INTO t VALUES {};\n",
                rows.join(",\n")
            ),
        );
        Run::new("up")
    }),
    (
        "n MB edited, told apart from spellings",
        4,
        |stage, _, n| {
            stage.history(1);
            stage.script(1, &inserts(n));
            Run::new("up").ends_with(65).alone()
        },
    ),
    ("n MB, line endings edited", 4, |stage, program, n| {
        stage.script(1, &inserts(n));
        stage.applied(program);
        stage.script(1, &inserts(n).replace('\n', "\r\n"));
        Run::new("up").ends_with(65).alone()
    }),
];
