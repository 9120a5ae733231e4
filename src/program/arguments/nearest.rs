//! The nearest word for one that is not known.
//!
//! Owns what counts as near; another tool's word is near to what it means there.

use crate::diagnostics::text::{distance, escape};

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
