//! The columns that a statement defines, as they are written.
//!
//! Owns where a definition begins and ends, and what stands in it. Looks at tokens, and
//! asks nobody.

use crate::schema::order::{BEGINNINGS, is_of_table};
use crate::schema::tokens::{Kind, Token, tokens};

/// A column of CREATE TABLE or of ALTER TABLE … ADD.
pub(super) struct Column<'a> {
    pub name: String,
    /// Each word of its type, with whether a new line begins before it.
    pub(super) words: Vec<(Token<'a>, bool)>,
    pub(super) has_size: bool,
    /// What follows DEFAULT; of what stands in parentheses, what it begins with.
    pub(super) default: Option<Token<'a>>,
    pub(super) calls: bool,
    pub not_null: bool,
    /// Whether it is in the primary key.
    pub(super) is_key: bool,
}

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
    let (mut goes_on, mut is_action) = (false, false);
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
        // That of ON DELETE SET DEFAULT has no value.
        let is_value = follows("default") && !std::mem::take(&mut is_action);
        is_action |= follows("set") && token.is_word("default");
        if is_value && depth == usize::from(token.text == "(") {
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
}
