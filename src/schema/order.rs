//! In what order the parts of a table's definition stand, where SQLite does the same
//! whatever it is.
//!
//! Owns which order is none. Only tells definitions apart: nothing is made of the result.

use crate::diagnostics::sorted::sort;
use crate::schema::tokens::{Token, tokens};

/// The statement that makes a table, with the constraints of each column in one order, and
/// its `UNIQUE (…)` last and in one order. Where an `ON CONFLICT` says what is done first,
/// the order counts.
pub(crate) fn in_one_order(sql: &str) -> String {
    let tokens: Vec<Token<'_>> = tokens(sql).collect();
    if tokens.iter().any(|token| is(token, "conflict")) {
        return sql.to_owned();
    }
    // What stands before the list, each item of it, and what stands after it.
    let mut parts: Vec<Vec<&Token<'_>>> = vec![Vec::new()];
    let mut end = Vec::new();
    let mut depth = 0_usize;
    for token in &tokens {
        match (depth, token.text) {
            (0, "(") | (1, ",") => parts.push(Vec::new()),
            (1, ")") | (0, _) if parts.len() > 1 => end.push(token),
            _ => parts.last_mut().unwrap_or(&mut end).push(token),
        }
        depth = depth_after(depth, token);
    }
    let head = parts.remove(0);
    if parts.is_empty() {
        return sql.to_owned();
    }
    let (mut unique, mut items): (Vec<_>, Vec<_>) =
        parts.into_iter().partition(|item| is_unique(item));
    let words = |item: &Vec<&Token<'_>>| -> Vec<String> {
        let words = item.iter().map(|token| token.content().to_lowercase());
        words.collect()
    };
    sort(&mut unique, &|a, b| words(a).cmp(&words(b)));
    items.append(&mut unique);
    let text = |tokens: &[&Token<'_>]| {
        let texts: Vec<&str> = tokens.iter().map(|token| token.text).collect();
        texts.join(" ")
    };
    let items = items
        .into_iter()
        .map(|item| text(&with_sorted_constraints(item)));
    let items: Vec<String> = items.collect();
    format!("{} ( {} {}", text(&head), items.join(" , "), text(&end))
}

fn is(token: &Token<'_>, word: &str) -> bool {
    token.text.eq_ignore_ascii_case(word)
}

fn depth_after(depth: usize, token: &Token<'_>) -> usize {
    match token.text {
        "(" => depth + 1,
        ")" => depth.saturating_sub(1),
        _ => depth,
    }
}

/// Whether an item of a table's list is `UNIQUE (…)` and nothing else, with a name or not.
fn is_unique(item: &[&Token<'_>]) -> bool {
    let rest = match item {
        [first, _, rest @ ..] if is(first, "constraint") => rest,
        rest => rest,
    };
    // SQLite takes two constraints without a comma between them, too.
    let opens = rest.iter().filter(|token| token.text == "(").count();
    match rest {
        [first, open, .., close] => {
            is(first, "unique") && open.text == "(" && close.text == ")" && opens == 1
        }
        _ => false,
    }
}

/// What begins a constraint of a column.
pub(crate) const BEGINNINGS: [&str; 9] = [
    "primary",
    "not",
    "null",
    "unique",
    "check",
    "default",
    "collate",
    "references",
    "as",
];

/// Whether a definition that begins so is a constraint of the table, and no column.
pub(crate) fn is_of_table(first: &Token<'_>) -> bool {
    let of_table = ["constraint", "primary", "unique", "check", "foreign"];
    of_table.iter().any(|word| first.is_word(word))
}

/// A column with its constraints by their first words; those of one kind stay in their
/// order. Constraints of the table stay as they are.
fn with_sorted_constraints<'a, 't>(item: Vec<&'a Token<'t>>) -> Vec<&'a Token<'t>> {
    if item.first().is_some_and(|first| is_of_table(first)) {
        return item;
    }
    let begins = |at: usize| {
        let token = item[at];
        let before = |word: &str| at > 0 && is(item[at - 1], word);
        let is_named = at > 1 && is(item[at - 2], "constraint");
        let is_part = before("set")
            || before("default")
            || (is(token, "null") && before("not"))
            || (is(token, "as") && before("always"))
            || (is(token, "not") && item.get(at + 1).is_some_and(|next| is(next, "deferrable")));
        let is_beginning = BEGINNINGS.iter().any(|word| is(token, word))
            || is(token, "constraint")
            || (is(token, "generated") && item.get(at + 1).is_some_and(|next| is(next, "always")));
        is_beginning && !is_part && !is_named
    };
    let mut groups: Vec<Vec<&Token<'_>>> = vec![Vec::new()];
    let mut depth = 0_usize;
    for (at, token) in item.iter().enumerate() {
        if at > 0 && depth == 0 && begins(at) {
            groups.push(Vec::new());
        }
        if let Some(group) = groups.last_mut() {
            group.push(token);
        }
        depth = depth_after(depth, token);
    }
    // The name of the column and its type come first.
    groups[1..].sort_by_key(|group| {
        let kind = match group.as_slice() {
            [first, _, kind, ..] if is(first, "constraint") => kind,
            group => &group[0],
        };
        kind.text.to_ascii_lowercase()
    });
    groups.into_iter().flatten().collect()
}
