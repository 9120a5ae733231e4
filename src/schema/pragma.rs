//! The value of a pragma.
//!
//! Owns nothing but the question.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// The value of a pragma, as text; `name = value` sets it.
pub(crate) fn ask(connection: &Connection, pragma: &str) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA {pragma}"))?;
    let mut rows = statement.raw_query();
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    Ok(match row.get_ref(0)? {
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    })
}
