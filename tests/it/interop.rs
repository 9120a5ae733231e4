//! Do we accept what the real sqlx and SQLPage recorded? The histories below
//! `fixtures/interop` were written by them (`make oracle`).

use crate::support::{Sandbox, query, root};
use rusqlite::Connection;
use std::path::Path;

fn copy(from: &Path, sandbox: &Sandbox) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        sandbox.script(
            path.file_name().unwrap().to_str().unwrap(),
            std::fs::read(&path).unwrap(),
        );
    }
}

#[test]
fn what_sqlx_and_sqlpage_recorded_is_up_to_date_and_what_we_record_is_the_same() {
    let interop = root().join("fixtures/interop");
    for (name, folder) in [
        (
            "quickstart",
            root().join("fixtures/quickstart/sqlpage/migrations"),
        ),
        ("spellings", interop.join("spellings")),
    ] {
        for who in ["sqlx", "sqlpage"] {
            let history =
                std::fs::read_to_string(interop.join(format!("{name}.{who}.sql"))).unwrap();
            let theirs = Sandbox::new("interop-theirs");
            copy(&folder, &theirs);
            theirs.database().execute_batch(&history).unwrap();
            theirs.expect(0, &["check", "--out-of-order", "refuse"]);
            assert!(theirs.expect(0, &["up"]).is_empty());

            let ours = Sandbox::new("interop-ours");
            copy(&folder, &ours);
            ours.expect(0, &["up"]);
            let rows = |connection: &Connection| {
                query(
                    connection,
                    "SELECT sql FROM sqlite_schema WHERE name = '_sqlx_migrations'",
                ) + &query(
                    connection,
                    "SELECT version, typeof(version), description, typeof(installed_on), length(installed_on), success, typeof(success), checksum, typeof(execution_time) FROM _sqlx_migrations ORDER BY version",
                )
            };
            assert_eq!(
                rows(&ours.database()),
                rows(&theirs.database()),
                "{name} {who}"
            );
        }
    }
}
