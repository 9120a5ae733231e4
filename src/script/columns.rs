//! The columns that a statement defines, as they are written.
//!
//! Owns what SQLite takes in a definition otherwise than it reads: words that are no type,
//! and defaults that are text. Looks at tokens, and asks nobody.

use crate::schema::order::{BEGINNINGS, is_of_table};
use crate::schema::tokens::{Kind, Token, tokens};

/// A column of CREATE TABLE or of ALTER TABLE … ADD.
pub(super) struct Column<'a> {
    pub name: String,
    /// Each word of its type, with whether a new line begins before it.
    words: Vec<(Token<'a>, bool)>,
    has_size: bool,
    /// What follows DEFAULT; of what stands in parentheses, what it begins with.
    default: Option<Token<'a>>,
    calls: bool,
    pub not_null: bool,
    /// Whether it is in the primary key.
    is_key: bool,
}

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

/// The columns of `(a TEXT, b …)`, which follows the name of a table. None of AS SELECT.
pub(super) fn defined(after_name: &str) -> Vec<Column<'_>> {
    let mut all = tokens(after_name);
    if all.next().is_none_or(|token| token.text != "(") {
        return Vec::new();
    }
    let (mut columns, mut key) = (Vec::new(), Vec::new());
    while definition(after_name, &mut all, &mut columns, &mut key) {}
    for column in &mut columns {
        let mut key = key.iter();
        column.is_key |= key.any(|name| name.eq_ignore_ascii_case(&column.name));
    }
    columns
}

/// The column that ALTER TABLE … ADD defines.
pub(super) fn added(statement: &str) -> Option<Column<'_>> {
    let mut all = tokens(statement);
    all.find(|token| token.is_word("add"))?;
    let mut rest = all.rest();
    if all.next()?.is_word("column") {
        rest = all.rest();
    }
    let mut columns = Vec::new();
    definition(rest, &mut tokens(rest), &mut columns, &mut Vec::new());
    columns.pop()
}

/// The next definition of a list: a column, or a constraint of the table, of which the
/// columns of its primary key count. Whether another definition follows.
fn definition<'a>(
    text: &'a str,
    all: &mut impl Iterator<Item = Token<'a>>,
    columns: &mut Vec<Column<'a>>,
    key: &mut Vec<String>,
) -> bool {
    let mut column: Option<Column<'a>> = None;
    let (mut is_type, mut is_key, mut depth) = (true, false, 0_usize);
    let mut end = None;
    let mut before: Option<Token<'a>> = None;
    let mut goes_on = false;
    for token in all.by_ref() {
        let at = token.at(text);
        let new_line = end.is_some_and(|end: usize| text[end..at].contains('\n'));
        end = Some(at + token.text.len());
        match token.text {
            "(" => depth += 1,
            ")" | ";" if depth == 0 => break,
            ")" => depth -= 1,
            "," if depth == 0 => {
                goes_on = true;
                break;
            }
            _ => {}
        }
        let Some(column) = &mut column else {
            if is_of_table(&token) {
                is_type = false;
                is_key |= token.is_word("primary");
            }
            if is_type {
                column = Some(Column::new(&token));
            } else if is_key && depth == 1 && token.kind != Kind::Sign {
                key.push(token.content().into_owned());
            }
            continue;
        };
        let mut ends = BEGINNINGS.iter().chain(&["constraint", "generated"]);
        let ends_type = ends.any(|word| token.is_word(word));
        is_type &= depth > 0 || !ends_type;
        if is_type {
            match token.kind {
                Kind::Sign => column.has_size |= token.text == "(",
                _ if depth > 0 => {}
                _ => column.words.push((token, new_line)),
            }
        }
        let follows = |word: &str| before.is_some_and(|before| before.is_word(word));
        if follows("default") && depth == usize::from(token.text == "(") {
            column.default = Some(token);
        }
        if depth == 0 {
            column.not_null |= follows("not") && token.is_word("null");
            column.is_key |= follows("primary");
        }
        // DEFAULT (now())
        let opened = before.zip(column.default);
        let opened = opened.is_some_and(|(before, first)| {
            std::ptr::eq(before.text, first.text) && first.text == "("
        });
        if depth == 1 && opened {
            column.default = Some(token);
            column.calls = true;
        }
        before = Some(token);
    }
    columns.extend(column);
    goes_on
}

impl Column<'_> {
    fn new(name: &Token<'_>) -> Self {
        Self {
            name: name.content().trim_matches('\'').to_owned(),
            words: Vec::new(),
            has_size: false,
            default: None,
            calls: false,
            not_null: false,
            is_key: false,
        }
    }

    /// What SQLite takes otherwise than it reads.
    pub(super) fn unmeant(&self, is_added: bool) -> Vec<Unmeant> {
        let numbering = self.numbering().or_else(|| self.placed(is_added));
        let numbering = numbering.map(|message| ("column-type", message));
        let comma = self.missing_comma().map(|message| ("column-type", message));
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
    use super::{added, defined};

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
