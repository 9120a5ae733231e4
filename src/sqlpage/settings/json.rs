//! The root of a JSON or JSON5 file, as SQLite reads them (sqlite.org/json1.html).
//!
//! Owns what is JSON5 and not JSON. Knows no setting by name.

use super::{Entry, Unreadable, Value};
use crate::diagnostics::error::sqlite_message;
use rusqlite::Connection;

/// Why it is not read: what SQLite says, or the place.
pub(super) enum Refused {
    Failed(String),
    NoObject,
    /// It is JSON5, and is to be JSON.
    NotStrict(usize),
    At(Unreadable),
}

/// The settings of the text, of which SQLPage takes the last where a name stands twice.
pub(super) fn entries(text: &str, strict: bool) -> Result<Vec<Entry>, Refused> {
    let failed = |error: rusqlite::Error| Refused::Failed(sqlite_message(&error));
    let connection = Connection::open_in_memory().map_err(failed)?;
    let error: i64 = connection
        .query_row("SELECT json_error_position(?1)", [text], |row| row.get(0))
        .map_err(failed)?;
    if let Some(error) = usize::try_from(error).ok().filter(|error| *error > 0) {
        let place = text.char_indices().nth(error - 1);
        let at = place.map_or(text.len(), |(index, _)| index);
        return Err(Refused::At(Unreadable::at(at)));
    }
    let (root, is_strict): (String, bool) = connection
        .query_row("SELECT json_type(?1), json_valid(?1, 1)", [text], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .map_err(failed)?;
    if strict && !is_strict {
        return Err(Refused::NotStrict(first_beyond_json(text)));
    }
    if root != "object" {
        return Err(Refused::NoObject);
    }
    let mut statement = connection
        .prepare("SELECT key, type, value FROM json_each(?1)")
        .map_err(failed)?;
    let mut rows = statement.query([text]).map_err(failed)?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let value = match row
            .get_ref(1)
            .and_then(|kind| Ok(kind.as_str()?))
            .map_err(failed)?
        {
            "text" => Value::Text(row.get(2).map_err(failed)?),
            "null" => Value::Null,
            "array" => {
                let list: String = row.get(2).map_err(failed)?;
                list_of(&connection, &list).map_err(failed)?
            }
            _ => Value::Other,
        };
        let key = row.get(0).map_err(failed)?;
        entries.push(Entry {
            key,
            value,
            at: None,
        });
    }
    Ok(entries)
}

fn list_of(connection: &Connection, list: &str) -> rusqlite::Result<Value> {
    let mut statement = connection.prepare("SELECT type = 'text', value FROM json_each(?1)")?;
    let mut rows = statement.query([list])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        if !row.get::<_, bool>(0)? {
            return Ok(Value::Other);
        }
        items.push(row.get(1)?);
    }
    Ok(Value::List(items))
}

/// The first byte that JSON5 has and JSON has not, for a message.
fn first_beyond_json(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &text.as_bytes()[at..];
        match byte {
            b'"' => {
                let mut end = at + 1;
                while let Some(&inside) = bytes.get(end).filter(|inside| **inside != b'"') {
                    let escaped = bytes.get(end + 1).copied().unwrap_or_default();
                    match inside {
                        b'\\' if b"\"\\/bfnrtu".contains(&escaped) => end += 2,
                        b'\\' | 0..=0x1F => return end,
                        _ => end += 1,
                    }
                }
                at = end;
            }
            b',' => {
                let next = bytes[at + 1..]
                    .iter()
                    .find(|byte| !byte.is_ascii_whitespace());
                if matches!(next, Some(b'}' | b']')) {
                    return at;
                }
            }
            b't' | b'f' | b'n' => {
                let words: [&[u8]; 3] = [b"true", b"false", b"null"];
                match words.iter().find(|word| rest.starts_with(word)) {
                    Some(word) => at += word.len() - 1,
                    None => return at,
                }
            }
            b'0'..=b'9' | b'-' | b'.' | b'+' | b'e' | b'E' if at > 0 => {}
            b' ' | b'\t' | b'\n' | b'\r' | b'{' | b'}' | b'[' | b']' | b':' => {}
            _ => return at,
        }
        at += 1;
    }
    0
}
