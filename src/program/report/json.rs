//! Writes JSON. Owns its escaping and nothing else; never reads any.

use crate::diagnostics::text::thousandths;
use std::fmt;

/// A JSON value (rfc-editor.org/rfc/rfc8259).
#[derive(Debug, Clone)]
pub(crate) enum Json {
    /// `null`
    Null,
    /// An integer, exact whatever its size.
    Integer(i64),
    /// So many thousandths.
    Thousandths(u128),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object, in this order.
    Object(Vec<(&'static str, Json)>),
}

impl Json {
    /// The same with other strings.
    pub(crate) fn with_strings(self, change: &dyn Fn(&str) -> String) -> Self {
        match self {
            Self::String(text) => Self::String(change(&text)),
            Self::Array(items) => {
                let items = items.into_iter();
                Self::Array(items.map(|item| item.with_strings(change)).collect())
            }
            Self::Object(fields) => {
                let fields = fields.into_iter();
                let changed = |(name, value): (_, Self)| (name, value.with_strings(change));
                Self::Object(fields.map(changed).collect())
            }
            other => other,
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<i64> for Json {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<usize> for Json {
    fn from(number: usize) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// On one line: every control character in a string is escaped.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Thousandths(number) => f.write_str(&thousandths(*number)),
            Self::String(text) => write_string(f, text),
            Self::Array(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
            Self::Object(fields) => {
                f.write_str("{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}\"{name}\":{value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

fn write_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    use fmt::Write;
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            // DEL and the C1 controls are legal JSON, but act on a terminal.
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            // Line ends to JavaScript before ES2019.
            '\u{2028}' | '\u{2029}' => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::Json;
    use rusqlite::Connection;

    /// SQLite is the judge: what it reads back is what was written.
    #[test]
    fn every_character_survives_the_round_trip_through_sqlite() {
        let connection = Connection::open_in_memory().unwrap();
        let mut statement = connection
            .prepare(
                "SELECT json_valid(?1), json_extract(?1, '$.text'), json_extract(?1, '$.list[1]')",
            )
            .unwrap();
        let mut characters: Vec<char> = ('\u{1}'..='\u{3000}').collect();
        characters.extend("\u{D7FF}\u{E000}\u{FEFF}\u{FFFD}\u{FFFF}😀\u{10FFFF}".chars());
        for chunk in characters.chunks(1000) {
            let text: String = chunk.iter().collect();
            let object = Json::Object(vec![
                ("text", Json::from(text.as_str())),
                (
                    "list",
                    Json::Array(vec![Json::Null, Json::Integer(i64::MIN)]),
                ),
            ]);
            let written = object.to_string();
            assert!(!written.contains('\n'));
            let read: (bool, String, i64) = statement
                .query_row([&written], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })
                .unwrap();
            assert_eq!(read, (true, text, i64::MIN));
        }
    }

    #[test]
    fn numbers_and_empty_containers() {
        let value = Json::Array(vec![
            Json::Thousandths(1),
            Json::Thousandths(1_200_000),
            Json::Array(vec![]),
            Json::Object(vec![]),
            Json::from(None::<&str>),
        ]);
        assert_eq!(value.to_string(), "[0.001,1200,[],{},null]");
    }
}
