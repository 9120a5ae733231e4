//! Any folder against any history: each version has one state, what is pending has no
//! row, each problem is one line; and a run that succeeds leaves nothing to do, one that
//! fails leaves the history as it was.
//!
//! Each two bytes are a file, a row or both: how they are, and their version.

use crate::is_one_line;
use litemigrate::internals::read_history;
use litemigrate::rusqlite::Connection;
use litemigrate::{Kind, Migration, Options, OutOfOrder, Policy, State, embedded, plan, up};
use std::collections::BTreeSet;

const HISTORY: &str = "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)";
const ROW: &str = "INSERT OR IGNORE INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (?1, 'v', ?2, ?3, 1)";

pub fn run(data: &[u8]) {
    let mut files: Vec<(String, String)> = Vec::new();
    let connection = &mut Connection::open_in_memory().expect("a database");
    connection.execute_batch(HISTORY).expect("a history");
    for pair in data.chunks_exact(2) {
        let (how, small) = (pair[0], i64::from(pair[1] % 24));
        let version = match how & 0x80 {
            0 => small,
            // Dates beside numbers, negative numbers, and the largest.
            _ => match pair[1] / 24 % 3 {
                0 => 20_240_101_000_000 + small,
                1 => -small,
                _ => i64::MAX - small,
            },
        };
        let text = match how >> 2 & 3 {
            0 => format!("SELECT {version}"),
            1 => format!(
                "-- replaces: {}-{version}\nSELECT 1",
                version.saturating_sub(3)
            ),
            2 => "-- no-transaction\nSELECT 1".to_owned(),
            _ => "SELECT 'the same in many'".to_owned(),
        };
        let suffix = ["sql", "up.sql", "down.sql"][usize::from(how >> 4) % 3];
        let name = format!("{version}_v.{suffix}");
        if how & 1 == 0 {
            files.push((name.clone(), text.clone()));
        }
        if how & 2 == 0 {
            // What it holds is what is there, or was once.
            let checksum = match embedded(&[(name.as_str(), text)]) {
                Ok(one) if how & 0x40 == 0 => one.migrations[0].checksum.0.to_vec(),
                _ => vec![how; usize::from(how & 0x30)],
            };
            connection
                .execute(ROW, (version, how & 0x60 != 0x60, checksum))
                .expect("a row");
        }
    }
    let files: Vec<(&str, String)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.clone()))
        .collect();
    match embedded(&files) {
        Ok(found) => judge(&found.migrations, connection),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn judge(migrations: &[Migration], connection: &mut Connection) {
    let history = read_history(connection).expect("a good history");
    let found = plan(migrations, &history);
    let recorded: BTreeSet<i64> = history.iter().map(|row| row.version).collect();
    // A file that only undoes has no state of its own.
    let applies = migrations.iter().filter(|file| file.kind != Kind::Down);
    let mut versions: BTreeSet<i64> = applies.map(|file| file.version).collect();
    versions.extend(&recorded);
    let states = found.states.iter().map(|state| state.version());
    assert!(states.eq(versions.iter().copied()));
    for version in &versions {
        let state = found.state(*version).map(|state| state.version());
        assert_eq!(state, Some(*version));
        let _ = found.moved_to(*version);
        let mut pending = found.pending(Some(*version));
        assert!(pending.all(|pending| pending.version <= *version));
    }
    // A file may replace what was applied under its own number.
    let replaces = |version| matches!(found.state(version), Some(State::Replaces(..)));
    let mut pending = found.pending(None).map(|pending| pending.version);
    assert!(pending.all(|version| !recorded.contains(&version) || replaces(version)));
    for bits in 0..12 {
        let policy = Policy {
            allow_missing: bits & 1 != 0,
            allow_newer: bits & 2 != 0,
            out_of_order: [OutOfOrder::Warn, OutOfOrder::Allow, OutOfOrder::Refuse][bits / 4],
        };
        let problems = found.problems(&policy);
        let warnings = found.warnings(&policy, None);
        let messages = problems.iter().map(ToString::to_string);
        for message in messages.chain(warnings.iter().map(ToString::to_string)) {
            assert!(is_one_line(&message), "{message:?}");
        }
        let mut options = Options::default();
        options.policy = policy;
        let result = up(connection, migrations, &options, &mut |_| {});
        assert!(connection.is_autocommit());
        let after = read_history(connection).expect("a good history");
        match result {
            Ok(_) => {
                assert!(problems.is_empty(), "{problems:?}");
                let next = plan(migrations, &after);
                assert_eq!(next.pending(None).count(), 0);
                assert_eq!(next.problems(&policy), []);
                return;
            }
            Err(error) => {
                assert!(!problems.is_empty(), "{error}");
                assert_eq!(after, history);
            }
        }
    }
}
