//! Lets the real tools make a folder's database, imports it, and compares.
//!
//! `import-check LITEMIGRATE [DBMATE]`. Exits with 1 at the first thing that is not so.

use diesel::Connection as _;
use diesel_migrations::MigrationHarness;
use std::path::{Path, PathBuf};
use std::process::Command;

const A: &str =
    "CREATE TABLE a (x TEXT NOT NULL, y INTEGER DEFAULT 3);\nCREATE INDEX i ON a (x);\n";
const B: &str = "INSERT INTO a (x) VALUES ('once');\nCREATE VIEW v AS SELECT x FROM a;\n";
const C: &str = "CREATE TABLE c (z);\n";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let litemigrate = arguments.next().expect("the program");
    let litemigrate = std::fs::canonicalize(litemigrate).unwrap();
    let check = |tool: &str, make: &dyn Fn(&Path)| {
        let directory = std::env::temp_dir().join(format!("import-{tool}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(directory.join("old")).unwrap();
        make(&directory);
        imported(&litemigrate, tool, &directory);
        std::fs::remove_dir_all(&directory).unwrap();
        println!("{tool}: imported as it is");
    };
    check("refinery", &refinery);
    check("diesel", &diesel);
    check("rusqlite", &rusqlite_migration);
    match arguments.next() {
        Some(dbmate) => check("dbmate", &|directory| self::dbmate(&dbmate, directory)),
        None => println!("dbmate: not here, so not checked"),
    }
}

fn write(path: PathBuf, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The first two are applied; the third comes when the tool is no longer asked.
fn refinery(directory: &Path) {
    let old = directory.join("old");
    write(old.join("V1__a.sql"), A);
    write(old.join("V2__b.sql"), B);
    let scripts = refinery::load_sql_migrations(&old).unwrap();
    let mut connection = rusqlite::Connection::open(directory.join("app.db")).unwrap();
    refinery::Runner::new(&scripts)
        .run(&mut connection)
        .unwrap();
    write(old.join("V3__c.sql"), C);
}

fn diesel(directory: &Path) {
    let old = directory.join("old");
    write(old.join("2024-01-02-030405_a/up.sql"), A);
    write(old.join("2024-01-02-030405_a/down.sql"), "DROP TABLE a;\n");
    write(old.join("2024-01-02-030406_b/up.sql"), B);
    let scripts = diesel_migrations::FileBasedMigrations::from_path(&old).unwrap();
    let database = directory.join("app.db");
    let mut connection = diesel::SqliteConnection::establish(database.to_str().unwrap()).unwrap();
    connection.run_pending_migrations(scripts).unwrap();
    write(old.join("2024-01-02-030407_c/up.sql"), C);
}

fn rusqlite_migration(directory: &Path) {
    use rusqlite_migration::{M, Migrations};
    let old = directory.join("old");
    write(old.join("01-a/up.sql"), A);
    write(old.join("02-b/up.sql"), B);
    let mut connection = rusqlite::Connection::open(directory.join("app.db")).unwrap();
    Migrations::new(vec![M::up(A), M::up(B)])
        .to_latest(&mut connection)
        .unwrap();
    write(old.join("03-c/up.sql"), C);
}

fn dbmate(program: &str, directory: &Path) {
    let old = directory.join("old");
    write(
        old.join("20240102030405_a.sql"),
        &format!("-- migrate:up\n{A}\n-- migrate:down\nDROP TABLE a;\n"),
    );
    write(
        old.join("20240102030406_b.sql"),
        &format!("-- migrate:up transaction:false\n{B}\n-- migrate:down\n"),
    );
    let made = Command::new(program)
        .args([
            "--no-dump-schema",
            "--migrations-dir",
            "old",
            "--url",
            "sqlite:app.db",
            "up",
        ])
        .current_dir(directory)
        .status()
        .unwrap();
    assert!(made.success());
    write(
        old.join("20240102030407_c.sql"),
        &format!("-- migrate:up\n{C}\n-- migrate:down\nDROP TABLE c;\n"),
    );
}

fn imported(litemigrate: &Path, tool: &str, directory: &Path) {
    let run = |arguments: &[&str]| {
        let output = Command::new(litemigrate)
            .args(arguments)
            .args(["-m", "m", "-D", "app.db"])
            .current_dir(directory)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), stderr)
    };
    let expect = |code: i32, arguments: &[&str]| {
        let (found, stderr) = run(arguments);
        assert_eq!(found, code, "{tool}: {arguments:?}: {stderr}");
    };
    let count = |sql: &str| {
        let connection = rusqlite::Connection::open(directory.join("app.db")).unwrap();
        connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    expect(0, &["import", "old"]);
    assert_eq!(count("SELECT count(*) FROM _sqlx_migrations"), 2, "{tool}");
    expect(3, &["check"]);
    expect(3, &["check", "--drift"]);
    expect(0, &["up"]);
    expect(0, &["check", "--drift"]);
    assert_eq!(count("SELECT count(*) FROM a"), 1, "{tool}");
    assert_eq!(count("SELECT count(*) FROM c"), 0, "{tool}");
    expect(0, &["import", "old"]);
}
