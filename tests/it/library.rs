//! Is the library enough for an application that carries its scripts with it?

use litemigrate::directory::embedded;
use litemigrate::rusqlite::Connection;
use litemigrate::{Error, Event, Options, down, history, up};

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
    let rows = history::read(&connection).unwrap();
    assert_eq!(rows[0].checksum, scripts.migrations[0].checksum.0);
    assert_eq!(rows[0].description, "member");
    down(
        &mut connection,
        &scripts.migrations,
        &Options::default(),
        &mut |_| {},
    )
    .unwrap();
    assert_eq!(history::read(&connection).unwrap().len(), 1);
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
