//! What SQLite takes in the definition of a column otherwise than it reads.
//!
//! Owns the words of other databases that are no type, and defaults that are text. Asks
//! nobody.

use super::columns::Column;
use crate::diagnostics::text::distance;
use crate::schema::tokens::Kind;

/// Something that a definition says and SQLite does not do: a kind of warning, and why.
pub(super) struct Unmeant {
    pub kind: &'static str,
    pub message: String,
}

/// Types by which other databases number rows.
const NUMBERING: [&str; 7] = [
    "serial",
    "serial4",
    "serial8",
    "bigserial",
    "smallserial",
    "auto_increment",
    "identity",
];

/// Words that are taken for a part of the type where they stand alone, or are misspelt; and
/// what is meant by them.
const CONSTRAINTS: [(&str, &str); 9] = [
    ("key", "PRIMARY KEY"),
    ("nocase", "COLLATE NOCASE"),
    ("rtrim", "COLLATE RTRIM"),
    ("increment", "AUTOINCREMENT"),
    ("autoincrement", "PRIMARY KEY AUTOINCREMENT"),
    ("primary", "PRIMARY KEY"),
    ("references", "REFERENCES"),
    ("unique", "UNIQUE"),
    ("collate", "COLLATE"),
];

/// The words that types begin with everywhere.
const TYPES: [&str; 37] = [
    "int",
    "integer",
    "tinyint",
    "smallint",
    "mediumint",
    "bigint",
    "int2",
    "int4",
    "int8",
    "text",
    "clob",
    "char",
    "character",
    "varchar",
    "nvarchar",
    "nchar",
    "blob",
    "real",
    "double",
    "float",
    "float8",
    "numeric",
    "decimal",
    "number",
    "bool",
    "boolean",
    "date",
    "datetime",
    "time",
    "timestamp",
    "timestamptz",
    "json",
    "jsonb",
    "uuid",
    "bytea",
    "varbinary",
    "binary",
];

/// The words that stand between two of those in one type.
const BETWEEN: [&str; 18] = [
    "zerofill",
    "after",
    "first",
    "comment",
    "unsigned",
    "signed",
    "big",
    "precision",
    "varying",
    "native",
    "national",
    "long",
    "medium",
    "tiny",
    "with",
    "without",
    "local",
    "large",
];

/// Functions that a default in quotes would call, if it were none.
const FUNCTIONS: [&str; 18] = [
    "now",
    "datetime",
    "date",
    "time",
    "strftime",
    "unixepoch",
    "julianday",
    "random",
    "randomblob",
    "lower",
    "upper",
    "hex",
    "uuid",
    "newid",
    "getdate",
    "gen_random_uuid",
    "uuid_generate_v4",
    "current_timestamp",
];

/// Those of them that SQLite has not.
const FOREIGN: [&str; 8] = [
    "now",
    "uuid",
    "newid",
    "getdate",
    "gen_random_uuid",
    "uuid_generate_v4",
    "sysdate",
    "nextval",
];

/// The words that are a value and no text.
const VALUES: [&str; 6] = [
    "null",
    "true",
    "false",
    "current_timestamp",
    "current_date",
    "current_time",
];

impl Column<'_> {
    /// What SQLite takes otherwise than it reads.
    pub(super) fn unmeant(&self, is_added: bool) -> Vec<Unmeant> {
        let numbering = self.numbering().or_else(|| self.placed(is_added));
        let numbering = numbering.map(|message| ("column-type", message));
        let type_of_words = self.misspelt().or_else(|| self.missing_comma());
        let comma = type_of_words.map(|message| ("column-type", message));
        let default = self
            .text_default(is_added)
            .map(|message| ("text-default", message));
        let found = numbering.or(comma).into_iter().chain(default);
        found
            .map(|(kind, message)| Unmeant { kind, message })
            .collect()
    }

    fn numbering(&self) -> Option<String> {
        let (word, _) = self.words.iter().find(|(word, _)| {
            let is_alone = self.words.len() == 1 && !self.has_size;
            NUMBERING.iter().any(|known| word.is_word(known)) && (self.is_key || !is_alone)
        })?;
        let name = &self.name;
        Some(format!(
            "to SQLite {} is the name of a type, and numbers nothing: {name} is NULL in rows that give it no value; {name} INTEGER PRIMARY KEY numbers them",
            word.text
        ))
    }

    /// `ADD COLUMN a TEXT AFTER b`, as MySQL has it.
    fn placed(&self, is_added: bool) -> Option<String> {
        let words: Vec<&str> = self.words.iter().map(|(word, _)| word.text).collect();
        let place = match &words[..] {
            [.., after, _] if after.eq_ignore_ascii_case("after") => words.len() - 2,
            [_, .., first] if first.eq_ignore_ascii_case("first") => words.len() - 1,
            _ => return None,
        };
        is_added.then(|| {
            format!(
                "to SQLite {} is a part of the type, and {} is the last column: leave it out, and name the columns where rows are inserted",
                words[place..].join(" "),
                self.name
            )
        })
    }

    /// A constraint that is a part of the type, because a word of it is missing or misspelt.
    fn misspelt(&self) -> Option<String> {
        let meant = self.words.iter().find_map(|(word, _)| {
            if TYPES.iter().any(|known| word.is_word(known)) {
                return None;
            }
            let lower = word.text.to_ascii_lowercase();
            let is_near = |(known, _): &&(&str, &str)| {
                let may_be = known.len() > 5 && known.len().abs_diff(lower.len()) < 3;
                let most = if known.len() < 8 { 1 } else { 2 };
                lower == *known || (may_be && (1..=most).contains(&distance(&lower, known)))
            };
            let near = CONSTRAINTS.iter().find(is_near)?;
            (word.kind == Kind::Word).then_some(near.1)
        })?;
        let words: Vec<&str> = self.words.iter().map(|(word, _)| word.text).collect();
        Some(format!(
            "to SQLite {} is one type, that of {}, and constrains nothing: is {meant} meant?",
            words.join(" "),
            self.name
        ))
    }

    /// A column that became a part of the type of the one before it.
    fn missing_comma(&self) -> Option<String> {
        let known = |at: usize, list: &[&str]| {
            let word = self.words.get(at).map(|(word, _)| word);
            word.is_some_and(|word| list.iter().any(|known| word.is_word(known)))
        };
        let is_name = |at: usize| !known(at, &TYPES) && !known(at, &BETWEEN);
        let at = (0..self.words.len()).find(|&at| {
            let new_line = self.words[at].1;
            let is_typed = at + 1 < self.words.len() && known(at + 1, &TYPES);
            let follows = at > 0 && (new_line || known(at - 1, &TYPES));
            is_name(at) && ((follows && is_typed) || (at > 0 && new_line) || (new_line && is_typed))
        })?;
        let words: Vec<&str> = self.words.iter().map(|(word, _)| word.text).collect();
        Some(format!(
            "to SQLite {} is one type, that of {}: is a comma missing before {}? There is no column of that name",
            words.join(" "),
            self.name,
            words[at]
        ))
    }

    /// A default that calls a function or names a value, but for its quotes.
    fn text_default(&self, is_added: bool) -> Option<String> {
        let default = self.default?;
        let name = &self.name;
        if self.calls {
            let is_foreign = FOREIGN.iter().any(|known| default.is_word(known));
            return is_foreign.then(|| {
                format!(
                    "the default of {name} calls {}(), which SQLite has not: every INSERT that leaves {name} out fails, unless the application defines it; the time is CURRENT_TIMESTAMP",
                    default.text
                )
            });
        }
        if default.kind == Kind::Word {
            let first = default.text.as_bytes().first().copied().unwrap_or_default();
            let is_value = VALUES.iter().any(|known| default.is_word(known));
            return (first.is_ascii_alphabetic() && !is_value).then(|| {
                format!(
                    "the default of {name} is the text '{0}', though it stands without quotes: write '{0}' if that is meant",
                    default.text
                )
            });
        }
        if !matches!(default.kind, Kind::String | Kind::Double) {
            return None;
        }
        let text = default.text.get(1..default.text.len().checked_sub(1)?)?;
        let lower = text.trim().to_ascii_lowercase();
        let is_flag = self
            .words
            .first()
            .is_some_and(|(word, _)| word.is_word("boolean") || word.is_word("bool"));
        // Not of a label, as 'time(s)'.
        let call = lower.trim_start_matches('(').split_once('(');
        let calls = call.is_some_and(|(name, arguments)| {
            let arguments = arguments.trim_end_matches(')').trim();
            let is_value = arguments.is_empty() || arguments.contains(['\'', '"']);
            FUNCTIONS.contains(&name) && lower.ends_with(')') && is_value
        });
        let is_time = matches!(
            &*lower,
            "current_timestamp" | "current_date" | "current_time"
        );
        let instead = match &*lower {
            _ if is_added && (is_time || calls) => {
                "ADD COLUMN takes none that changes from row to row, so leave it out, and UPDATE what is there"
            }
            _ if is_time => "without quotes it is the time",
            "true" | "false" if is_flag => {
                "which counts as false in every condition; without quotes it is 1 or 0"
            }
            "null" if text == "NULL" => "without quotes it is none",
            _ if calls => "which nobody calls; a call stands in parentheses, as (datetime('now'))",
            _ => return None,
        };
        Some(format!(
            "the default of {} is the text {}: {instead}",
            self.name, default.text
        ))
    }
}

#[cfg(test)]
mod tests {
    use crate::script::columns::{added, defined};

    #[test]
    fn what_is_meant_is_told_from_what_is_not() {
        for (definition, expected) in [
            ("(id SERIAL PRIMARY KEY, b TEXT)", "column-type"),
            ("(id INT AUTO_INCREMENT PRIMARY KEY)", "column-type"),
            ("(id INT IDENTITY(1,1) PRIMARY KEY)", "column-type"),
            ("(a TEXT b TEXT)", "column-type"),
            ("(a VARCHAR(10) b INTEGER NOT NULL)", "column-type"),
            ("(a TEXT -- the comma\n b TEXT)", "column-type"),
            ("(a\n b INTEGER)", "column-type"),
            ("(a TEXT\n  b)", "column-type"),
            ("(at TEXT DEFAULT 'CURRENT_TIMESTAMP')", "text-default"),
            ("(at TEXT NOT NULL DEFAULT \"now()\")", "text-default"),
            ("(at TEXT DEFAULT 'datetime(''now'')')", "text-default"),
            ("(done BOOLEAN DEFAULT 'true')", "text-default"),
            ("(a TEXT DEFAULT 'NULL')", "text-default"),
            ("(a TEXT DEFAULT (now()))", "text-default"),
            ("(a TEXT DEFAULT now NOT NULL)", "text-default"),
            (
                "(a INT DEFAULT -1, b INT DEFAULT (1 + 2), c DEFAULT .5, d DEFAULT x'00', e DEFAULT (datetime('now')))",
                "",
            ),
            (
                "(a DOUBLE PRECISION, b UNSIGNED BIG INT, c VARYING CHARACTER(255))",
                "",
            ),
            (
                "(a TIMESTAMP WITH TIME ZONE, b JSON TEXT, c BINARY LARGE OBJECT)",
                "",
            ),
            (
                "(a\n TEXT\n NOT NULL, b\n VARCHAR\n (20), c INT UNSIGNED, d CHARACTER VARYING(20))",
                "",
            ),
            (
                "(at DEFAULT CURRENT_TIMESTAMP, b DEFAULT (datetime('now')), c DEFAULT 'date')",
                "",
            ),
            (
                "(a JSON DEFAULT 'null', b TEXT DEFAULT 'true', c DEFAULT 't', d DEFAULT 'a (b)')",
                "",
            ),
            (
                "(serial TEXT, identity TEXT, i IDENTITY, PRIMARY KEY (serial, identity))",
                "",
            ),
            (
                "(id INTEGER PRIMARY KEY, a INT AS (1), b INT GENERATED ALWAYS AS (1))",
                "",
            ),
            (
                "(a TEXT CHECK (a IN ('x', 'now()')), CONSTRAINT k UNIQUE (a))",
                "",
            ),
            (
                "(a TEXT REFERENCES t(b) ON DELETE SET DEFAULT, 'b' TEXT)",
                "",
            ),
            (" AS SELECT 1 AS serial", ""),
        ] {
            let columns = defined(definition);
            let found: Vec<_> = columns
                .iter()
                .flat_map(|column| column.unmeant(false))
                .collect();
            let kinds: Vec<&str> = found.iter().map(|found| found.kind).collect();
            assert_eq!(kinds.join(" "), expected, "{definition}");
        }
        let names = |definition| defined(definition).into_iter().map(|column| column.name);
        let all: Vec<String> =
            names("(\"a b\" X(1, 2), [c], `d` CHECK (d > 1), CHECK (1), e)").collect();
        assert_eq!(all, ["a b", "c", "d", "e"]);
        for statement in [
            "ALTER TABLE t ADD a BOOL DEFAULT 'false'",
            "ALTER TABLE t ADD COLUMN a BOOL DEFAULT 'false';",
            "ALTER TABLE t ADD COLUMN a TEXT AFTER b",
            "ALTER TABLE t ADD COLUMN a INT FIRST;",
        ] {
            let column = added(statement).map(|column| (column.unmeant(true).len(), column.name));
            assert_eq!(column, Some((1, "a".to_owned())), "{statement}");
        }
    }
}
