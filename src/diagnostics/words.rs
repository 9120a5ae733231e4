//! What the program calls an option is a field to an application.
//!
//! Owns the one table of these words. Our sentences are written in the program's.

/// What stands in a sentence, and what an application is told instead.
const WORDS: [(&str, &str); 16] = [
    ("--allow-missing", "Policy::allow_missing"),
    ("--allow-newer", "Policy::allow_newer"),
    ("--out-of-order allow", "Policy::out_of_order"),
    ("--allow-cascade", "Options::allow_cascade"),
    ("--single-transaction", "Options::single_transaction"),
    ("--lock-wait", "Options::lock_wait"),
    ("--timeout", "Options::deadline"),
    ("--strict", "Options::strict"),
    ("--backup", "Options::backup"),
    ("--dry-run", "Options::dry_run"),
    ("--to", "Options::to"),
    (
        "`litemigrate status` lists the versions",
        "`plan` has the versions",
    ),
    ("`litemigrate repair ", "the program `litemigrate repair "),
    (
        "`litemigrate baseline ",
        "the program `litemigrate baseline ",
    ),
    (
        " (`litemigrate new NAME` does), name another with -m, or allow this with --optional",
        ", or name another",
    ),
    (
        "correct or remove what is named above",
        "correct or remove what is named below",
    ),
];

/// A sentence as an application reads it.
pub(crate) fn of_the_library(sentence: &str) -> String {
    let mut text = sentence.to_owned();
    for (typed, field) in WORDS {
        if text.contains(typed) {
            text = text.replace(typed, field);
        }
    }
    text
}
