//! The nearest word for one that is not known.
//!
//! Owns what counts as near; another tool's word is near to what it means there.

use crate::diagnostics::text::escape;

/// `there is no option --josn; did you mean --json?` What the word means in another
/// tool comes before what is spelt like it.
pub(crate) fn unknown(
    what: &str,
    dashes: &str,
    word: &str,
    elsewhere: Option<&str>,
    known: impl Iterator<Item = &'static str>,
) -> String {
    if let Some(ours) = elsewhere {
        return format!("there is no {what} {dashes}{word}; did you mean {ours}?");
    }
    let nearest = known
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min();
    let hint = match nearest {
        Some((_, candidate)) if word.len() > 1 => format!("did you mean {dashes}{candidate}?"),
        _ => "see litemigrate --help".to_owned(),
    };
    format!("there is no {what} {dashes}{}; {hint}", escape(word))
}

/// How many characters must be changed, added or dropped to get from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().take(40).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
