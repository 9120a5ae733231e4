//! Rows copied by position, into columns that stand in another order, and words that are
//! copied where a column was meant.
//!
//! Owns what counts as these. Looks at the first words of an INSERT, and at no more unless
//! they are followed by a SELECT.

use super::notes::Notes;
use crate::diagnostics::error::sqlite_message;
use crate::schema::tokens::{Kind, Token, tokens};
use rusqlite::Connection;
use std::collections::BTreeSet;

/// An `INSERT INTO new SELECT … FROM old` by which columns of one name change places: the
/// phrase that says which. Where both sides are named one by one it was meant.
pub(crate) fn crossing(
    connection: &Connection,
    notes: &Notes,
    statement: &str,
) -> rusqlite::Result<Option<String>> {
    let Some(copy) = Copy::of(statement).filter(Copy::is_by_position) else {
        return Ok(None);
    };
    let Ok(select) = connection.prepare(&copy.select()) else {
        return Ok(None);
    };
    let given: Vec<&str> = select.column_names().collect();
    let target = match copy.columns {
        Some(columns) => columns,
        None => columns_of(connection, &notes.own_schema, &notes.own_table)?,
    };
    if given.len() != target.len() {
        return Ok(None);
    }
    let is_given = |name: &str| given.iter().any(|given| given.eq_ignore_ascii_case(name));
    let is_target = |name: &str| {
        target
            .iter()
            .any(|target| target.eq_ignore_ascii_case(name))
    };
    let mut phrases = Vec::new();
    for (from, to) in given.iter().zip(&target) {
        // Both must have another place on the other side.
        if from.eq_ignore_ascii_case(to) || !is_target(from) || !is_given(to) {
            continue;
        }
        let mut reads = notes.reads();
        let Some((source, _)) = reads.find(|(_, column)| column.eq_ignore_ascii_case(from)) else {
            continue;
        };
        if source.eq_ignore_ascii_case(&notes.own_table) {
            return Ok(None);
        }
        phrases.push(format!(
            "{source}.{from} goes into {}.{to}",
            notes.own_table
        ));
    }
    Ok((!phrases.is_empty()).then(|| phrases.join(", ")))
}

/// Names in double quotes that are a whole column of an `INSERT … SELECT … FROM`, and of
/// its target, but of nothing that is copied: SQLite takes each for text
/// (sqlite.org/quirks.html, section 8). Where all columns are quoted so, none is meant as
/// text, whatever the target's are called; so it is in CREATE TABLE … AS.
pub(crate) fn text_for_columns(
    connection: &Connection,
    notes: &Notes,
    statement: &str,
) -> rusqlite::Result<Vec<String>> {
    if !statement.contains('"') {
        return Ok(Vec::new());
    }
    let copy = Copy::of(statement);
    let (prefix, rest) = match &copy {
        Some(copy) => (copy.prefix, without_clauses(copy.rest)),
        None => match after_as(statement) {
            Some(select) => ("", select),
            None => return Ok(Vec::new()),
        },
    };
    let Quoted { columns, are_all } = Quoted::of(rest);
    let Some(mut texts) = taken_for_text(connection, prefix, rest, &columns) else {
        return Ok(Vec::new());
    };
    let names: BTreeSet<&String> = columns.iter().map(|name| &name.name).collect();
    let is_none_meant = are_all && texts.len() < names.len();
    if !texts.is_empty() && !is_none_meant {
        let target = match copy {
            Some(Copy {
                columns: Some(columns),
                ..
            }) => columns,
            Some(_) => columns_of(connection, &notes.own_schema, &notes.own_table)?,
            None => Vec::new(),
        };
        let is_target = |name: &&str| target.iter().any(|other| other.eq_ignore_ascii_case(name));
        texts.retain(is_target);
    }
    Ok(texts.into_iter().map(str::to_owned).collect())
}

/// A name in double quotes, in a text.
pub(super) struct Name {
    name: String,
    at: usize,
    length: usize,
}

impl Name {
    pub(super) fn of(text: &str, token: &Token<'_>) -> Self {
        Self {
            name: token.content().into_owned(),
            at: token.text.as_ptr() as usize - text.as_ptr() as usize,
            length: token.text.len(),
        }
    }
}

/// Which of the names in `rest` name nothing, each once; `None` if that cannot be told.
pub(super) fn taken_for_text<'n>(
    connection: &Connection,
    prefix: &str,
    rest: &str,
    names: &'n [Name],
) -> Option<Vec<&'n str>> {
    // In brackets it can be nothing but a name. One is told after the other.
    let mut texts: Vec<&str> = Vec::new();
    while names.len() > texts.len() {
        let mut asked = format!("{prefix} ");
        let mut from = 0;
        for Name { name, at, length } in names.iter().filter(|name| !texts.contains(&&*name.name)) {
            asked.push_str(&rest[from..*at]);
            asked.push_str(&format!("[{name}]"));
            from = at + length;
        }
        asked.push_str(&rest[from..]);
        let Err(error) = connection.prepare(&asked) else {
            break;
        };
        let message = sqlite_message(&error);
        let Some(missing) = message.strip_prefix("no such column: ") else {
            break;
        };
        let found = names.iter().find(|name| name.name == missing)?;
        if texts.contains(&&*found.name) {
            return None;
        }
        texts.push(&found.name);
    }
    Some(texts)
}

/// What `CREATE TABLE … AS` copies.
fn after_as(statement: &str) -> Option<&str> {
    let mut tokens = tokens(statement);
    tokens.find(|token| token.is_word("table"))?;
    tokens.find(|token| token.is_word("as"))?;
    let rest = tokens.rest();
    let first = tokens.next()?;
    (first.is_word("select") || first.is_word("with")).then_some(rest)
}

/// The columns of a SELECT that are a name in double quotes, with another name for it or
/// without.
struct Quoted {
    columns: Vec<Name>,
    /// Whether every column is, and there is more than one.
    are_all: bool,
}

impl Quoted {
    fn of(select: &str) -> Self {
        let (mut columns, mut are_all) = (Vec::new(), true);
        let (mut depth, mut is_list) = (0_usize, false);
        // Those of this SELECT, which count if it has a FROM, and the column that is read.
        let (mut found, mut count) = (Vec::new(), 0);
        let mut item: Vec<Token<'_>> = Vec::new();
        for token in tokens(select) {
            let ends = depth == 0 && (token.text == "," || token.is_word("from"));
            if is_list && ends {
                count += 1;
                found.extend(quoted(&item).map(|name| Name::of(select, &name)));
                item.clear();
            }
            match token.text {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                _ if depth > 0 => {}
                _ if token.is_word("from") => {
                    are_all &= found.len() == count;
                    columns.append(&mut found);
                    (is_list, count) = (false, 0);
                }
                _ if token.is_word("select") => {
                    (is_list, count) = (true, 0);
                    found.clear();
                    item.clear();
                    continue;
                }
                _ => {}
            }
            if is_list && !ends {
                item.push(token);
            }
        }
        Self {
            are_all: are_all && columns.len() > 1,
            columns,
        }
    }
}

/// The name in `"name"`, `"name" AS other`, `DISTINCT "name"`.
fn quoted<'a>(item: &[Token<'a>]) -> Option<Token<'a>> {
    let item = match item {
        [first, rest @ ..] if first.is_word("distinct") || first.is_word("all") => rest,
        item => item,
    };
    let name = match item {
        [name] | [name, _] => name,
        [name, word, _] if word.is_word("as") => name,
        _ => return None,
    };
    (name.kind == Kind::Double).then_some(*name)
}

/// An INSERT of what a SELECT gives.
pub(super) struct Copy<'a> {
    /// The WITH before it.
    prefix: &'a str,
    /// Those that it names; all of the table's if it names none.
    pub columns: Option<Vec<String>>,
    /// From the SELECT, or its WITH, on.
    rest: &'a str,
}

impl<'a> Copy<'a> {
    pub(super) fn of(statement: &'a str) -> Option<Self> {
        let mut tokens = tokens(statement);
        let mut depth = 0_usize;
        let prefix = loop {
            let rest = tokens.rest();
            let token = tokens.next()?;
            match token.text {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                _ if depth == 0 && (token.is_word("insert") || token.is_word("replace")) => {
                    break &statement[..statement.len() - rest.len()];
                }
                _ => {}
            }
        };
        tokens.find(|token| token.is_word("into"))?;
        tokens.next()?;
        let mut rest = tokens.rest();
        let mut next = tokens.next()?;
        // A schema before the name, an alias after it.
        for word in [".", "as"] {
            if next.text.eq_ignore_ascii_case(word) {
                tokens.next()?;
                rest = tokens.rest();
                next = tokens.next()?;
            }
        }
        let mut columns = None;
        if next.text == "(" {
            let list = tokens.by_ref().take_while(|token| token.text != ")");
            let names = list.filter(|token| token.text != ",");
            columns = Some(names.map(|token| token.content().into_owned()).collect());
            rest = tokens.rest();
            next = tokens.next()?;
        }
        let selects = next.is_word("select") || next.is_word("with");
        selects.then_some(Self {
            prefix,
            columns,
            rest,
        })
    }

    /// Whether its columns find their places by position.
    fn is_by_position(&self) -> bool {
        self.columns.is_none() || takes_all(self.rest)
    }

    fn select(&self) -> String {
        format!("{} {}", self.prefix, without_clauses(self.rest))
    }
}

/// Whether a SELECT begins with `*` or `t.*`.
fn takes_all(select: &str) -> bool {
    let mut tokens = tokens(select).skip_while(|token| !token.is_word("select"));
    tokens.next();
    let first: Vec<_> = tokens
        .filter(|token| !token.is_word("all") && !token.is_word("distinct"))
        .take(3)
        .collect();
    match &first[..] {
        [star, ..] if star.text == "*" => true,
        [_, dot, star] => dot.text == "." && star.text == "*",
        _ => false,
    }
}

/// A SELECT without what an INSERT adds to it: ON CONFLICT and RETURNING.
fn without_clauses(select: &str) -> &str {
    let mut all = tokens(select);
    let mut depth = 0_usize;
    loop {
        let rest = all.rest();
        let Some(token) = all.next() else {
            return select;
        };
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            _ => {
                let conflict = tokens(all.rest())
                    .next()
                    .is_some_and(|t| t.is_word("conflict"));
                if token.is_word("returning") || (token.is_word("on") && conflict) {
                    return &select[..select.len() - rest.len()];
                }
            }
        }
    }
}

fn columns_of(connection: &Connection, schema: &str, table: &str) -> rusqlite::Result<Vec<String>> {
    let query = "SELECT name FROM pragma_table_xinfo(?1, ?2) WHERE hidden = 0 ORDER BY cid";
    let mut statement = connection.prepare(query)?;
    let rows = statement.query_map([table, schema], |row| row.get(0))?;
    rows.collect()
}
