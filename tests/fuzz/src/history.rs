//! Whatever stands in `_sqlx_migrations` is read or refused, and planned.

use litemigrate::internals::read_history;
use litemigrate::rusqlite::Connection;
use litemigrate::rusqlite::types::Value;
use litemigrate::{Policy, plan};

fn value(bytes: &[u8]) -> Value {
    match bytes.split_first() {
        None => Value::Null,
        Some((0..=80, rest)) => {
            Value::Integer(rest.iter().fold(0, |sum, byte| sum << 8 | i64::from(*byte)))
        }
        Some((81..=120, rest)) => Value::Real(f64::from(rest.len() as u32) / 3.0),
        Some((121..=180, rest)) => Value::Text(String::from_utf8_lossy(rest).into_owned()),
        Some((_, rest)) => Value::Blob(rest.to_vec()),
    }
}

pub fn run(data: &[u8]) {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE _sqlx_migrations (version, description, installed_on, success, checksum, execution_time)").unwrap();
    for row in data.split(|byte| *byte == b'\n') {
        let mut cells: Vec<Value> = row.split(|byte| *byte == b'|').map(value).collect();
        cells.resize(6, Value::Null);
        let insert = "INSERT INTO _sqlx_migrations VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        connection
            .execute(insert, litemigrate::rusqlite::params_from_iter(cells))
            .unwrap();
    }
    match read_history(&connection) {
        Ok(rows) => {
            assert!(
                rows.windows(2)
                    .all(|pair| pair[0].version < pair[1].version)
            );
            let plan = plan(&[], &rows);
            assert_eq!(plan.states.len(), rows.len());
            // An empty folder is one problem, not one for each row.
            let problems = plan.problems(&Policy::default());
            assert_eq!(problems.len(), rows.len().min(1));
        }
        Err(error) => assert!(!error.to_string().contains(['\n', '\x1b'])),
    }
}
