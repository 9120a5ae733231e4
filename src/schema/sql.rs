//! SQL compared, and written in one way.
//!
//! Owns what does not matter about a statement's spelling. Is only given statements that
//! SQLite has accepted.

use super::tokens::{Kind, Token, tokens};
use std::collections::BTreeSet;

impl Token<'_> {
    /// Whether both mean the same, if `names` are the names that there are.
    fn is_same(&self, other: &Self, names: &BTreeSet<String>) -> bool {
        let (a, b) = (self.content(), other.content());
        let is_name = |text: &str| names.contains(&text.to_ascii_lowercase());
        match (self.kind, other.kind) {
            (Kind::Sign, Kind::Sign) => sign(&a) == sign(&b),
            // A blob is written in hexadecimal digits.
            (Kind::String, Kind::String) if !a.starts_with('\'') => a.eq_ignore_ascii_case(&b),
            (Kind::String, Kind::String) => a == b,
            // ALTER TABLE turns a string in double quotes into one in single ones.
            (Kind::String, Kind::Double) => is_string(&a, &b) && !is_name(&b),
            (Kind::Double, Kind::String) => is_string(&b, &a) && !is_name(&a),
            (Kind::Double, Kind::Double) => a == b || (a.eq_ignore_ascii_case(&b) && is_name(&a)),
            (Kind::String | Kind::Sign, _) | (_, Kind::String | Kind::Sign) => false,
            (Kind::Word, Kind::Word) => a.eq_ignore_ascii_case(&b),
            // In quotes a keyword is none, and a number is a string.
            (Kind::Word, _) | (_, Kind::Word) => {
                let is_among = |words: &[&str]| words.iter().any(|w| w.eq_ignore_ascii_case(&a));
                a.eq_ignore_ascii_case(&b)
                    && !a.starts_with(|first: char| first.is_ascii_digit())
                    && !is_among(&KEYWORDS)
                    && (is_name(&b) || !is_among(&LITERALS))
            }
            _ => a.eq_ignore_ascii_case(&b),
        }
    }
}

/// Two ways to write one operator.
fn sign(text: &str) -> &str {
    match text {
        "==" => "=",
        "<>" => "!=",
        other => other,
    }
}

/// Whether a word in lower case cannot be a name without quotes.
pub(crate) fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
}

/// The keywords that cannot be names without quotes
/// (sqlite.org/src/file/src/parse.y, those that do not fall back to ID).
const KEYWORDS: [&str; 60] = [
    "add",
    "all",
    "alter",
    "and",
    "as",
    "autoincrement",
    "between",
    "case",
    "check",
    "collate",
    "commit",
    "constraint",
    "create",
    "default",
    "deferrable",
    "delete",
    "distinct",
    "drop",
    "else",
    "escape",
    "exists",
    "foreign",
    "from",
    "group",
    "having",
    "in",
    "index",
    "insert",
    "into",
    "is",
    "isnull",
    "join",
    "limit",
    "not",
    "nothing",
    "notnull",
    "null",
    "on",
    "or",
    "order",
    "primary",
    "references",
    "returning",
    "select",
    "set",
    "table",
    "then",
    "to",
    "transaction",
    "union",
    "unique",
    "update",
    "using",
    "values",
    "when",
    "where",
    "except",
    "intersect",
    "natural",
    "left",
];

/// Words that mean a value, unless they name a column.
const LITERALS: [&str; 5] = [
    "true",
    "false",
    "current_date",
    "current_time",
    "current_timestamp",
];

/// Whether the string as it is `written`, in single quotes, has this content.
fn is_string(written: &str, content: &str) -> bool {
    written == format!("'{}'", content.replace('\'', "''"))
}

/// Whether two statements differ only in what does not matter: comments, white
/// space, the case of words, the quotes around `names`. The defaults of a table's
/// columns are not looked at.
pub(crate) fn is_same(a: &str, b: &str, names: &BTreeSet<String>) -> bool {
    let (a, b) = (
        without_defaults(tokens(a).collect()),
        without_defaults(tokens(b).collect()),
    );
    a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.is_same(b, names))
}

/// The tokens of a statement; of one that makes a table without the defaults of its
/// columns, and with what names a column in single quotes taken for a name.
fn without_defaults(tokens: Vec<Token<'_>>) -> Vec<Token<'_>> {
    let is_table = tokens.get(1).is_some_and(|token| token.is_word("table"));
    if !is_table {
        return tokens;
    }
    let mut kept: Vec<Token<'_>> = Vec::with_capacity(tokens.len());
    let mut depth = 0_usize;
    let mut rest = tokens.into_iter().peekable();
    while let Some(mut token) = rest.next() {
        let before = kept.last();
        if token.is_word("default") && !before.is_some_and(|before| before.is_word("set")) {
            let mut inside = 0_usize;
            for token in rest.by_ref() {
                match token.text {
                    "(" => inside += 1,
                    ")" => inside = inside.saturating_sub(1),
                    _ => {}
                }
                if inside == 0 && !matches!(token.text, "+" | "-") {
                    break;
                }
            }
            continue;
        }
        let names_something = before.is_some_and(|before| {
            before.is_word("table") || (depth == 1 && matches!(before.text, "(" | ","))
        });
        if names_something && token.kind == Kind::String && token.text.starts_with('\'') {
            token.kind = Kind::Name;
        }
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        kept.push(token);
    }
    kept
}

/// Whether a function is called in an expression.
pub(crate) fn calls_a_function(sql: &str) -> bool {
    let is_call = |two: &[Token<'_>]| two[0].kind != Kind::Sign && two[1].text == "(";
    tokens(sql).collect::<Vec<_>>().windows(2).any(is_call)
}

/// Whether an expression is one token, but for a sign before it.
pub(crate) fn is_simple(sql: &str) -> bool {
    match &tokens(sql).take(3).collect::<Vec<_>>()[..] {
        [_] => true,
        [sign, _] => matches!(sign.text, "+" | "-"),
        _ => false,
    }
}

/// A pattern of GLOB's, quoted, that takes letters in any case. What we ask while a script
/// runs never uses LIKE: the script's `PRAGMA case_sensitive_like` would decide for us.
pub(crate) fn in_any_case(pattern: &str) -> String {
    let letters = pattern.chars().map(|c| match c.is_ascii_alphabetic() {
        true => format!("[{}{}]", c.to_ascii_uppercase(), c.to_ascii_lowercase()),
        false => c.to_string(),
    });
    format!("'{}'", letters.collect::<String>())
}

/// A statement of the schema as it is written in a file: without comments, names
/// in double quotes if they are quoted, the columns of a table and the statements
/// of a trigger on lines of their own. What a virtual table is told stays as it
/// is: only its module knows what matters there.
pub(crate) fn formatted(sql: &str) -> String {
    write(sql, true)
}

/// The same on one line.
pub(crate) fn one_line(sql: &str) -> String {
    write(sql, false)
}

fn write(sql: &str, lines: bool) -> String {
    let tokens: Vec<Token<'_>> = tokens(sql).collect();
    let is = |index: usize, word: &str| tokens.get(index).is_some_and(|token| token.is_word(word));
    if is(1, "virtual") {
        return sql.trim().to_owned();
    }
    let (is_table, is_view) = (lines && is(1, "table"), lines && is(1, "view"));
    let is_trigger = lines && is(1, "trigger");
    let mut out = String::with_capacity(sql.len());
    let mut depth = 0_usize;
    let mut in_body = false;
    for (index, token) in tokens.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| &tokens[before]);
        let is_last = index + 1 == tokens.len();
        if token.text == ")" {
            depth = depth.saturating_sub(1);
        }
        let after = before.map_or("", |before| before.text);
        let breaks = if is_table {
            // Only the list of columns is at this depth.
            (depth == 1 && matches!(after, "(" | ",")) || (depth == 0 && token.text == ")")
        } else if is_trigger {
            in_body && (after == ";" || before.is_some_and(|t| t.is_word("begin")))
        } else {
            is_view && depth == 0 && CLAUSES.iter().any(|clause| token.is_word(clause))
        };
        if breaks && !out.is_empty() {
            let closes = token.text == ")" || (is_trigger && is_last);
            out.push_str(if closes || is_view { "\n" } else { "\n    " });
        } else if !matches!(token.text, ")" | "," | ";")
            && (after == ","
                || (token.spaced && before.is_some() && after != "(")
                // `[a][b]` are two names, `"a""b"` is one.
                || (before.is_some_and(|before| before.kind != Kind::Sign)
                    && token.kind != Kind::Sign))
        {
            out.push(' ');
        }
        match token.kind {
            Kind::Name => {
                let name = token.content().replace('"', "\"\"");
                out.push_str(&format!("\"{name}\""));
            }
            _ => out.push_str(token.text),
        }
        in_body |= depth == 0 && token.is_word("begin");
        if token.text == "(" {
            depth += 1;
        }
    }
    out
}

/// What begins a line in a view.
const CLAUSES: [&str; 9] = [
    "select", "from", "where", "group", "having", "order", "limit", "union", "except",
];

#[cfg(test)]
mod tests {
    use super::{formatted, is_same, one_line};
    use std::collections::BTreeSet;

    #[test]
    fn spelling_does_not_matter_and_content_does() {
        let names = BTreeSet::from(["t", "a", "c d", "e"].map(str::to_owned));
        let same = |a: &str, b: &str| is_same(a, b, &names);
        let sql = "CREATE TABLE t (a TEXT DEFAULT 'A b', \"c d\" INTEGER, e DEFAULT \"Off\")";
        for spelling in [
            "create table \"t\"(A text /* why */ default 'A b',\n[c d] integer, E default \"Off\")",
            "CREATE TABLE `T`(a TEXT DEFAULT 'A b',[C D] INTEGER, e DEFAULT 'Off') -- end",
            "CREATE TABLE t (a TEXT DEFAULT 'A b', \"C D\" INTEGER, e DEFAULT \"Off\")/* end",
        ] {
            assert!(same(sql, spelling), "{spelling}");
        }
        for other in [
            "CREATE TABLE t (a TEXT DEFAULT 'A b', \"c d\" INT, e DEFAULT \"Off\")",
            "CREATE TABLE t (a TEXT DEFAULT 'A b', \"c d\" INTEGER, e UNIQUE DEFAULT \"Off\")",
            "CREATE TABLE t (a TEXT DEFAULT 'A b')",
        ] {
            assert!(!same(sql, other), "{other}");
        }
        for (a, b) in [
            ("'a''b'", "'a' 'b'"),
            ("x'41'", "x '41'"),
            ("\"a\"", "'a'"),
            ("1.5", "1 .5"),
            ("a - -1", "a--1"),
            ("É", "é"),
            ("a = 1", "a = \"1\""),
            ("a = [1e2]", "a = 1e2"),
        ] {
            assert!(!same(a, b), "{a} {b}");
        }
        assert!(same("'it''s'", "\"it's\"") && same("1e-5", "1E-5"));
        for odd in [
            "", "'", "\"", "[", "`x", "/*", "--", "é'ü", "a''b", "\"\"", "[é", "x'",
        ] {
            assert!(same(odd, odd));
            let _ = (formatted(odd), one_line(odd));
        }
    }

    /// Whatever the text: no panic, and what is written means the same.
    #[test]
    fn any_text_is_taken_apart_and_put_together() {
        let parts = [
            "'", "\"", "`", "[", "]", "/*", "*/", "--", "\n", " ", "x", "X'", "é", "日本", ".",
            "1", "e+", "(", ")", ",", ";", "BEGIN", "END", "TABLE", "TRIGGER", "VIEW", "FROM",
            "->>",
        ];
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut text = String::from("CREATE ");
            for _ in 0..8 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                text.push_str(parts[usize::try_from(state >> 33).unwrap() % parts.len()]);
            }
            for written in [formatted(&text), one_line(&text)] {
                assert!(
                    is_same(&text, &written, &BTreeSet::new()),
                    "{text:?} {written:?}"
                );
            }
        }
    }

    #[test]
    fn statements_are_written_in_one_way() {
        for (sql, written) in [
            (
                "CREATE TABLE   t  (a int,\r\n\tb -- hi\n  , [c] DECIMAL (10,2), CHECK(a<>'x''y')) STRICT",
                "CREATE TABLE t (\n    a int,\n    b,\n    \"c\" DECIMAL (10, 2),\n    CHECK(a<>'x''y')\n) STRICT",
            ),
            (
                "CREATE TRIGGER tr AFTER INSERT ON t BEGIN\n SELECT CASE WHEN 1 THEN 2 END; DELETE FROM u  WHERE a = -1 ; END",
                "CREATE TRIGGER tr AFTER INSERT ON t BEGIN\n    SELECT CASE WHEN 1 THEN 2 END;\n    DELETE FROM u WHERE a = -1;\nEND",
            ),
            (
                "CREATE VIEW v AS SELECT a, (SELECT 1 FROM u) FROM t WHERE b /* unclosed",
                "CREATE VIEW v AS\nSELECT a, (SELECT 1 FROM u)\nFROM t\nWHERE b",
            ),
            ("CREATE INDEX i ON t (a,b)", "CREATE INDEX i ON t (a, b)"),
            (
                "CREATE INDEX i ON t (a)WHERE[a][b]`c`\"d\"",
                "CREATE INDEX i ON t (a)WHERE \"a\" \"b\" \"c\" \"d\"",
            ),
            (
                "CREATE VIRTUAL TABLE f USING fts5(x,  tokenize = \"ascii\")",
                "CREATE VIRTUAL TABLE f USING fts5(x,  tokenize = \"ascii\")",
            ),
        ] {
            assert_eq!(formatted(sql), written);
            assert!(is_same(sql, written, &BTreeSet::new()));
            assert_eq!(formatted(written), written);
        }
    }
}
