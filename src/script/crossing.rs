//! Rows copied by position, into columns that stand in another order.
//!
//! Owns what counts as these. Looks at the first words of an INSERT, and at no more unless
//! they are followed by a SELECT.

use super::notes::Notes;
use crate::schema::tokens::tokens;
use rusqlite::Connection;

/// An `INSERT INTO new SELECT … FROM old` by which columns of one name change places: the
/// phrase that says which. Where both sides are named one by one it was meant.
pub(crate) fn crossing(
    connection: &Connection,
    notes: &Notes,
    copy: &Copy<'_>,
) -> rusqlite::Result<Option<String>> {
    if !copy.is_by_position() {
        return Ok(None);
    }
    let Some(given) = copy.given(connection) else {
        return Ok(None);
    };
    let target = match &copy.columns {
        Some(columns) => columns.clone(),
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

/// An INSERT of what a SELECT gives.
pub(super) struct Copy<'a> {
    /// The WITH before it.
    prefix: &'a str,
    /// Those that it names; all of the table's if it names none.
    pub columns: Option<Vec<String>>,
    /// From the SELECT, or its WITH, on.
    pub rest: &'a str,
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

    /// The names of the columns that its SELECT gives.
    pub(super) fn given(&self, connection: &Connection) -> Option<Vec<String>> {
        let select = format!("{} {}", self.prefix, without_clauses(self.rest));
        let select = connection.prepare(&select).ok()?;
        Some(select.column_names().map(str::to_owned).collect())
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
