//! Is the library enough for an application that carries its scripts with it?

use crate::support::Sandbox;
use litemigrate::embedded;
use litemigrate::internals::{read_history, repair};
use litemigrate::rusqlite::Connection;
use litemigrate::{Error, Event, Options, down, up};
use std::time::Duration;

#[test]
fn an_application_migrates_its_own_connection_with_embedded_scripts() {
    let scripts = embedded(&[
        (
            "0001_member.sql",
            include_str!("../../fixtures/quickstart/sqlpage/migrations/0001_create_members.sql"),
        ),
        ("0002_tag.up.sql", "CREATE TABLE tag (name TEXT);"),
        ("0002_tag.down.sql", "DROP TABLE tag;"),
    ])
    .unwrap();
    let mut connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch("PRAGMA foreign_keys = ON")
        .unwrap();
    let mut applied = Vec::new();
    let summary = up(
        &mut connection,
        &scripts.migrations,
        &Options::default(),
        &mut |event| {
            if let Event::Applied(step) = event {
                applied.push(step.migration.version);
                assert_eq!(step.schema_changes, [], "not in a dry run");
            }
        },
    )
    .unwrap();
    assert_eq!(
        (summary.applied, summary.newest, applied),
        (2, Some(2), vec![1, 2])
    );
    let again = up(
        &mut connection,
        &scripts.migrations,
        &Options::default(),
        &mut |_| {},
    )
    .unwrap();
    assert_eq!(again.applied, 0);
    // The rows are those of the same scripts in a folder.
    let rows = read_history(&connection).unwrap();
    assert_eq!(rows[0].checksum, scripts.migrations[0].checksum.0);
    assert_eq!(rows[0].description, "member");
    down(
        &mut connection,
        &scripts.migrations,
        &Options::default(),
        &mut |_| {},
    )
    .unwrap();
    assert_eq!(read_history(&connection).unwrap().len(), 1);
    // The connection is the caller's, as it was.
    assert!(connection.is_autocommit());
    assert!(
        connection
            .query_row("PRAGMA foreign_keys", [], |row| row.get::<_, bool>(0))
            .unwrap()
    );
}

#[test]
fn a_script_may_be_made_at_run_time() {
    let made = [("1_a.sql", format!("CREATE TABLE t{} (x);", 7))];
    let list = embedded(&made).unwrap().migrations;
    let mut connection = Connection::open_in_memory().unwrap();
    up(&mut connection, &list, &Options::default(), &mut |_| {}).unwrap();
    assert_eq!(setting(&connection, "table_info(t7)"), "0|x||0|NULL|0");
}

#[test]
fn embedded_scripts_are_checked_as_a_folder_is() {
    for scripts in [
        &[("1_a.sql", ""), ("0001_b.sql", "")][..],
        &[("a.sql", "")],
        &[("x_a.sql", "")],
        &[("1_a.sql", "\0")],
    ] {
        let error = embedded(scripts).unwrap_err();
        assert!(matches!(error, Error::Unusable { .. }), "{error}");
    }
}

#[test]
fn the_order_of_the_list_does_not_matter_and_no_version_is_passed_over() {
    let scripts = embedded(&[
        ("1_a.sql", "CREATE TABLE a (x);"),
        ("2_b.sql", "ALTER TABLE a ADD COLUMN y;"),
        ("3_c.sql", "ALTER TABLE a DROP COLUMN x;"),
    ])
    .unwrap()
    .migrations;
    for order in [[2, 1, 0], [1, 0, 2], [0, 2, 1]] {
        let list = order.map(|index: usize| scripts[index].clone());
        let mut connection = Connection::open_in_memory().unwrap();
        let summary = up(&mut connection, &list, &Options::default(), &mut |_| {}).unwrap();
        assert_eq!((summary.applied, summary.newest), (3, Some(3)));
    }
    let twice = [&scripts[..], &scripts[1..2]].concat();
    let mut connection = Connection::open_in_memory().unwrap();
    let error = up(&mut connection, &twice, &Options::default(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::Unusable { .. }), "{error}");
}

#[test]
fn embedded_scripts_that_differ_in_line_endings_are_recognised() {
    let list = |text| embedded(&[("1_a.sql", text)]).unwrap().migrations;
    let mut connection = Connection::open_in_memory().unwrap();
    let unix = list("CREATE TABLE a (x);\n");
    up(&mut connection, &unix, &Options::default(), &mut |_| {}).unwrap();
    let windows = list("CREATE TABLE a (x);\r\n");
    let error = up(&mut connection, &windows, &Options::default(), &mut |_| {}).unwrap_err();
    let Error::Refused { problems } = error else {
        panic!("{error}");
    };
    assert!(problems[0].to_string().contains("line endings"));
    let selection = repair::Selection::Spelling;
    let options = Options::default();
    let changes = repair::repair(&mut connection, &windows, &selection, &options).unwrap();
    assert_eq!(changes.len(), 1);
}

/// The list that `--generate rust` writes is what a Rust compiler makes of it: the same
/// scripts as the folder's.
#[test]
fn the_generated_list_is_the_folder() {
    let sandbox = Sandbox::new("generate-rust");
    sandbox.script("0001_a.sql", "CREATE TABLE a (x);\n");
    sandbox.script("0002_b \"q\".up.sql", "SELECT '\\';\n");
    let list = sandbox.expect(0, &["up", "--generate", "rust"]);
    let folder = litemigrate::read_dir(&sandbox.path.join("migrations")).unwrap();
    std::fs::write(sandbox.path.join("list.rs"), &list).unwrap();
    std::fs::write(
        sandbox.path.join("main.rs"),
        "fn main() { let list: &[(&str, &str)] = include!(\"list.rs\"); for (name, text) in list { print!(\"{name}\\0{text}\\0\"); } }",
    )
    .unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let output = std::process::Command::new(program)
            .args(arguments)
            .env("CARGO_MANIFEST_DIR", &sandbox.path)
            .current_dir(&sandbox.path)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    run("rustc", &["--edition", "2021", "main.rs"]);
    let printed: &'static str = run("./main", &[]).leak();
    let parts: Vec<&'static str> = printed.split_terminator('\0').collect();
    let scripts: Vec<(&str, &'static str)> = parts.chunks(2).map(|two| (two[0], two[1])).collect();
    let embedded = embedded(&scripts).unwrap().migrations;
    assert!(litemigrate::same_scripts(&embedded, &folder.migrations));
    assert!(!litemigrate::same_scripts(
        &embedded[1..],
        &folder.migrations
    ));
}

fn setting(connection: &Connection, name: &str) -> String {
    crate::support::query(connection, &format!("PRAGMA {name}"))
}

#[test]
fn the_connection_is_given_back_as_it_was() {
    let settings = [
        "busy_timeout",
        "synchronous",
        "query_only",
        "foreign_keys",
        "journal_mode",
        "recursive_triggers",
        "cache_size",
    ];
    let list = embedded(&[
        ("1_a.sql", "PRAGMA busy_timeout = 1; PRAGMA recursive_triggers = ON; PRAGMA cache_size = 7; CREATE TABLE a (x);"),
        ("2_b.sql", "-- no-transaction\nPRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; CREATE TABLE b (x);"),
        ("3_c.sql", "CREATE TABLE c (x); INSERT INTO nosuch VALUES (1);"),
    ])
    .unwrap()
    .migrations;
    for (journal_mode, foreign_keys) in [("wal", 1), ("delete", 0), ("memory", 1), ("off", 0)] {
        let sandbox = Sandbox::new("given-back");
        let mut connection = Connection::open(sandbox.path.join("app.db")).unwrap();
        crate::support::query(
            &connection,
            &format!("PRAGMA journal_mode = {journal_mode}"),
        );
        let pragmas = format!(
            "PRAGMA busy_timeout = 7777; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = {foreign_keys}; PRAGMA query_only = ON; BEGIN"
        );
        connection.execute_batch(&pragmas).unwrap();
        let mut options = Options::default();
        options.lock_wait = Duration::MAX;
        let error = up(&mut connection, &list, &options, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("is in a transaction"), "{error}");
        connection.execute_batch("COMMIT").unwrap();
        let before = settings.map(|name| setting(&connection, name));
        let error = up(&mut connection, &list, &options, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("3_c.sql"), "{error}");
        assert_eq!(
            settings.map(|name| setting(&connection, name)),
            before,
            "{journal_mode}"
        );
        // No authorizer, progress handler or busy handler of ours is left.
        connection
            .execute_batch("PRAGMA query_only = OFF; BEGIN; ROLLBACK")
            .unwrap();
        assert_eq!(setting(&connection, "journal_mode"), journal_mode);
    }
}

/// Also what a script has set before it failed.
#[test]
fn a_script_that_fails_leaves_no_setting_behind() {
    let mut connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch("CREATE TABLE n(x CHECK (x > 0))")
        .unwrap();
    for outside in ["", "-- no-transaction\n"] {
        let script = format!(
            "{outside}PRAGMA ignore_check_constraints = ON; PRAGMA recursive_triggers = ON; PRAGMA case_sensitive_like = ON; SELECT nosuch;"
        );
        let scripts = embedded(&[("1_a.sql", script)]).unwrap().migrations;
        up(&mut connection, &scripts, &Options::default(), &mut |_| {}).unwrap_err();
        assert!(connection.execute("INSERT INTO n VALUES (-1)", []).is_err());
        assert_eq!(setting(&connection, "recursive_triggers"), "0");
        let likes: bool = connection
            .query_row("SELECT 'a' LIKE 'A'", [], |row| row.get(0))
            .unwrap();
        assert!(likes);
    }
}

/// The first look waits as long as the rest, whatever the connection's own patience.
#[test]
fn a_lock_is_waited_for_from_the_first_look_on() {
    let sandbox = Sandbox::new("patience");
    let file = sandbox.path.join("app.db");
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let holder = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        drop(other);
    });
    let mut connection = Connection::open(&file).unwrap();
    connection.busy_timeout(Duration::ZERO).unwrap();
    let scripts = embedded(&[("1_a.sql", "CREATE TABLE a (x);")]).unwrap();
    up(
        &mut connection,
        &scripts.migrations,
        &Options::default(),
        &mut |_| {},
    )
    .unwrap();
    assert_eq!(setting(&connection, "busy_timeout"), "0");
    holder.join().unwrap();
}

#[test]
fn a_database_in_memory_has_no_backup() {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE a (x)").unwrap();
    let scripts = embedded(&[("1_a.sql", "CREATE TABLE b (x);")]).unwrap();
    let mut options = Options::default();
    options.backup = Some(Sandbox::new("memory").path.join("x.db"));
    let refused = up(&mut connection, &scripts.migrations, &options, &mut |_| {});
    assert!(refused.unwrap_err().to_string().contains("in memory"));
}

#[test]
fn a_panic_of_the_caller_leaves_no_transaction_open() {
    let list = embedded(&[("1_a.sql", "CREATE TABLE a (x);")])
        .unwrap()
        .migrations;
    let mut connection = Connection::open_in_memory().unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        up(&mut connection, &list, &Options::default(), &mut |event| {
            assert!(
                !matches!(event, Event::Started(_)),
                "the caller's own panic"
            );
        })
    }));
    assert!(panicked.is_err());
    assert!(connection.is_autocommit());
    assert_eq!(setting(&connection, "synchronous"), "2");
    let summary = up(&mut connection, &list, &Options::default(), &mut |_| {}).unwrap();
    assert_eq!(summary.applied, 1);
}

/// What `?` in `main` shows is all that there is to know, in the library's words.
#[test]
fn an_error_tells_the_whole_story() {
    let list = |text| {
        embedded(&[("1_a.sql", text), ("2_b.sql", "SELECT 1;")])
            .unwrap()
            .migrations
    };
    let mut connection = Connection::open_in_memory().unwrap();
    up(
        &mut connection,
        &list("CREATE TABLE a (x);"),
        &Options::default(),
        &mut |_| {},
    )
    .unwrap();
    let edited = &list("CREATE TABLE b (x);")[..1];
    let text = up(&mut connection, edited, &Options::default(), &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(text.contains("1_a.sql: was edited"), "{text}");
    assert!(text.contains("version 2"), "{text}");
    assert!(
        text.contains("Policy::allow_newer") && !text.contains("--"),
        "{text}"
    );
    let fails = embedded(&[
        ("1_a.sql", "CREATE TABLE a (x);"),
        ("2_b.sql", "SELECT 1;"),
        ("3_c.sql", "DROP TABLE p;"),
    ])
    .unwrap()
    .migrations;
    connection.execute_batch("PRAGMA foreign_keys = ON; CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p ON DELETE CASCADE); INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)").unwrap();
    let text = up(&mut connection, &fails, &Options::default(), &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(text.starts_with("3_c.sql:1:1: DROP TABLE p"), "{text}");
    assert!(text.contains("Options::allow_cascade"), "{text}");
    let unusable = embedded(&[("x.sql", ""), ("y.sql", "")])
        .unwrap_err()
        .to_string();
    assert!(
        unusable.contains("x.sql: ") && unusable.contains("y.sql: "),
        "{unusable}"
    );
    connection.execute_batch("BEGIN").unwrap();
    let text = up(&mut connection, &fails, &Options::default(), &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(text.starts_with("the database in memory: "), "{text}");
}

#[test]
fn an_application_can_baseline_repair_compare_and_restore() {
    use litemigrate::{Selection, baseline, check_drift, repair, restore};
    let list = embedded(&[
        ("1_a.sql", "CREATE TABLE a (x);"),
        ("2_b.sql", "CREATE TABLE b (x);"),
    ])
    .unwrap()
    .migrations;
    let sandbox = Sandbox::new("face");
    let file = sandbox.path.join("app.db");
    let mut connection = Connection::open(&file).unwrap();
    connection.execute_batch("CREATE TABLE a (x)").unwrap();
    let changes = baseline(&mut connection, &list, Some(1), false, &Options::default()).unwrap();
    assert_eq!(changes.len(), 1);
    let mut options = Options::default();
    options.backup = Some(sandbox.path.join("before.db"));
    up(&mut connection, &list, &options, &mut |_| {}).unwrap();
    check_drift(&connection, &list, &options).unwrap();
    connection.execute_batch("CREATE TABLE c (x)").unwrap();
    let error = check_drift(&connection, &list, &options).unwrap_err();
    assert!(error.to_string().contains("table c is extra"), "{error}");
    let edited = embedded(&[
        ("1_a.sql", "CREATE TABLE a (y);"),
        ("2_b.sql", "CREATE TABLE b (x);"),
    ])
    .unwrap()
    .migrations;
    let selection = Selection::Versions(vec![1]);
    assert_eq!(
        repair(&mut connection, &edited, &selection, &options)
            .unwrap()
            .len(),
        1
    );
    // On their own, a copy replaces a copy, and nothing is left beside it.
    for _ in 0..2 {
        let file = sandbox.path.join("now.db");
        let made = litemigrate::backup(&mut connection, &file, &Options::default()).unwrap();
        assert_eq!(made.map(|file| file.is_file()), Some(true));
    }
    assert!(
        !sandbox
            .files()
            .iter()
            .any(|name| name.starts_with("now.db") && name != "now.db")
    );
    assert!(connection.is_autocommit());
    drop(connection);
    let newest = restore(&sandbox.path.join("before.db"), &file, &Options::default()).unwrap();
    assert_eq!(newest, Some(1));
}

/// While we wait for the lock, goose applies the script that is pending: it is not run
/// again.
#[test]
fn what_another_tool_applies_while_we_wait_is_not_run_again() {
    let sandbox = Sandbox::new("library-other-tool");
    let file = sandbox.path.join("app.db");
    let other = Connection::open(&file).unwrap();
    other
        .execute_batch("CREATE TABLE t (x); BEGIN IMMEDIATE")
        .unwrap();
    let script = "-- +goose Up\nINSERT INTO t VALUES (1);";
    let scripts = embedded(&[("0001_a.sql", script)]).unwrap();
    let mut connection = Connection::open(&file).unwrap();
    let mut waited = 0;
    let options = Options::default();
    let result = up(
        &mut connection,
        &scripts.migrations,
        &options,
        &mut |event| {
            if let Event::Waiting = event {
                waited += 1;
                other
                .execute_batch(
                    "INSERT INTO t VALUES (1);
                    CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')));
                    INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1), (1, 1);
                    COMMIT",
                )
                .unwrap();
            }
        },
    );
    assert_eq!(waited, 1);
    assert!(matches!(result, Err(Error::Declined { .. })), "{result:?}");
    let count = |sql: &str| {
        other
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(count("SELECT count(*) FROM t"), 1);
    let history = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    assert_eq!(count(history), 0);
}

/// The library's `up` refuses it too, and `down` has nothing to ask: the way back may
/// keep the other tool's line.
#[test]
fn what_another_tool_has_applied_is_declined() {
    let list = embedded(&[
        (
            "20240101000000_a.up.sql",
            "CREATE TABLE IF NOT EXISTS a (x);",
        ),
        ("20240101000000_a.down.sql", "-- +goose Down\nDROP TABLE a;"),
    ])
    .unwrap()
    .migrations;
    let mut connection = Connection::open_in_memory().unwrap();
    let options = Options::default();
    up(&mut connection, &list, &options, &mut |_| {}).unwrap();
    let theirs = "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY); INSERT INTO schema_migrations VALUES ('20240101000000')";
    connection.execute_batch(theirs).unwrap();
    down(&mut connection, &list, &options, &mut |_| {}).unwrap();
    let refused = up(&mut connection, &list, &options, &mut |_| {});
    assert!(
        matches!(refused, Err(Error::Declined { .. })),
        "{refused:?}"
    );
}

/// All in one transaction: if it cannot be committed, those before the last went with it.
#[test]
fn what_was_rolled_back_with_the_last_script_is_counted() {
    let sandbox = Sandbox::new("library-together");
    let list = embedded(&[
        ("1_a.sql", "CREATE TABLE a (x);"),
        ("2_b.sql", "CREATE TABLE b (x);"),
        ("3_c.sql", "CREATE TABLE c (x);"),
    ])
    .unwrap()
    .migrations;
    let mut connection = sandbox.database();
    connection.execute_batch("CREATE TABLE t (x)").unwrap();
    let reader = sandbox.database();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM t")
        .unwrap();
    let mut options = Options::default();
    options.single_transaction = true;
    options.lock_wait = Duration::ZERO;
    let refused = up(&mut connection, &list, &options, &mut |_| {});
    let Err(Error::Script(script)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((script.version, script.rolled_back_with_it), (3, 2));
}

/// Only another machine's process, or one that does not know our lock, comes so far.
#[test]
fn a_script_that_ran_twice_at_once_is_said_to_have() {
    let sandbox = Sandbox::new("library-twice");
    let list = embedded(&[(
        "1_a.sql",
        "-- no-transaction\nCREATE TABLE IF NOT EXISTS a (x);",
    )])
    .unwrap()
    .migrations;
    let mut connection = sandbox.database();
    let mut record = |event: Event<'_>| {
        if let Event::Started(migration) = event {
            let row = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (?1, ?2, TRUE, ?3, 0)";
            let values = (
                migration.version,
                &migration.description,
                &migration.checksum.0[..],
            );
            sandbox.database().execute(row, values).unwrap();
        }
    };
    let refused = up(&mut connection, &list, &Options::default(), &mut record);
    let text = refused.unwrap_err().to_string();
    assert!(
        text.contains("another process ran it at the same time"),
        "{text}"
    );
}

/// A copy of a database that was open, `-wal` and all, is whole until it is replaced, and
/// what lay beside it is not read with the new one.
#[test]
fn what_lies_beside_an_old_backup_is_brought_in_before_it_is_replaced() {
    let sandbox = Sandbox::new("library-beside");
    sandbox.script("1_a.sql", "CREATE TABLE a (x);\n");
    sandbox.expect(0, &["up"]);
    sandbox.script("2_b.sql", "CREATE TABLE b (x);\n");
    let at = |name: &str| sandbox.path.join(name);
    let open = Connection::open(at("open.db")).unwrap();
    open.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE old (x); INSERT INTO old VALUES (randomblob(100000))")
        .unwrap();
    for suffix in ["", "-wal"] {
        let [from, to] = ["open.db", "before.db"].map(|name| at(&format!("{name}{suffix}")));
        std::fs::copy(from, to).unwrap();
    }
    sandbox.expect(0, &["up", "--backup", "before.db"]);
    assert!(!at("before.db-wal").exists());
    let backup = Connection::open(at("before.db")).unwrap();
    let tables = "SELECT group_concat(name) FROM sqlite_schema WHERE type = 'table'";
    let tables: String = backup.query_row(tables, [], |row| row.get(0)).unwrap();
    assert_eq!(tables, "_sqlx_migrations,a");
}
