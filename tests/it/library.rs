//! Is the library enough for an application that carries its scripts with it?

use litemigrate::embedded;
use litemigrate::internals::{read_history, repair};
use litemigrate::rusqlite::Connection;
use litemigrate::{Error, Event, Options, down, up};

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

#[test]
fn the_connection_is_given_back_as_it_was() {
    let setting = |connection: &Connection, name: &str| {
        let query = format!("PRAGMA {name}");
        connection
            .query_row(&query, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    let list = embedded(&[("1_a.sql", "PRAGMA busy_timeout = 1; CREATE TABLE a (x);")])
        .unwrap()
        .migrations;
    let mut connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch("PRAGMA busy_timeout = 7777; PRAGMA synchronous = NORMAL; BEGIN")
        .unwrap();
    let error = up(&mut connection, &list, &Options::default(), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("is in a transaction"), "{error}");
    connection.execute_batch("COMMIT").unwrap();
    up(&mut connection, &list, &Options::default(), &mut |_| {}).unwrap();
    let found = ["busy_timeout", "synchronous"].map(|name| setting(&connection, name));
    assert_eq!(found, [7777, 1]);
}
