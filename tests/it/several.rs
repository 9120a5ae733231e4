//! Does what befalls one of many databases stay with it?

use crate::support::{Sandbox, query};
use rusqlite::Connection;
use std::fmt::Write;
use std::path::Path;

#[test]
fn of_three_hundred_databases_each_gets_what_it_can() {
    let sandbox = Sandbox::new("several");
    sandbox.script("1_a.sql", "CREATE TABLE a (x);\n");
    sandbox.script("2_b.sql", "CREATE UNIQUE INDEX i ON a (x);\n");
    let at = |name: &str| sandbox.path.join(name);
    let mut list = String::new();
    for number in 0..300 {
        let _ = writeln!(list, "{number}.db");
    }
    std::fs::write(at("7.db"), [b'x'; 4096]).unwrap();
    std::fs::create_dir(at("50.db")).unwrap();
    let list = list.replace("\n99.db\n", "\nno/such/99.db\n");
    // A script that fails here, and nowhere else.
    let schema = "CREATE TABLE a (x); INSERT INTO a VALUES (1), (1);";
    open(&at("150.db")).execute_batch(schema).unwrap();
    sandbox.expect(0, &["baseline", "1", "-D", "150.db"]);
    let holder = open(&at("200.db"));
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    std::fs::write(at("list"), &list).unwrap();
    let run = |code: i32, arguments: &[&str]| {
        let common = ["--databases-from", "list", "-m", "migrations", "--json"];
        let mut command = sandbox.command(&[arguments, &common, &["-D", "0.db"]].concat());
        let output = command.args(["--lock-wait", "0.1"]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let json = run(1, &["up"]);
    let memory = Connection::open_in_memory().unwrap();
    let told = |sql: &str| {
        let sql = format!(
            "WITH d AS (SELECT value->>'database' AS name, value->>'exit' AS code, json_array_length(value, '$.applied') AS applied FROM json_each('{}', '$.databases')) {sql}",
            json.replace('\'', "''")
        );
        memory
            .query_row(&sql, [], |row| row.get::<_, String>(0))
            .unwrap()
    };
    assert_eq!(
        told(
            "SELECT group_concat(name || ' ' || code, ', ') FROM (SELECT * FROM d WHERE code <> 0)"
        ),
        "7.db 74, 50.db 73, no/such/99.db 73, 150.db 1, 200.db 75"
    );
    assert_eq!(
        told("SELECT count(*) || ' ' || sum(applied) FROM d WHERE code = 0"),
        "296 590"
    );
    assert_eq!(query(&open(&at("298.db")), "SELECT count(*) FROM a"), "0");
    drop(holder);
    // The worst is what a person must look at; who only had to wait is done now.
    run(1, &["up"]);
    assert_eq!(
        query(
            &open(&at("200.db")),
            "SELECT count(*) FROM _sqlx_migrations"
        ),
        "2"
    );
    run(74, &["check", "--fail-fast"]);
}

fn open(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}
