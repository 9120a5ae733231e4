//! What can be explained besides the commands.
//!
//! Owns the topics' names and what each is about; their texts are files beside this
//! room, which the man page has too, and whose sessions the tests run.

macro_rules! topic {
    ($name:literal, $about:literal) => {
        (
            $name,
            $about,
            include_str!(concat!("../topics/", $name, ".txt")),
        )
    };
}

/// A topic's name, what it is about, and its text: paragraphs, lines under a heading
/// that are indented by four blanks, and sessions, which are indented, too, and begin
/// with a dollar sign.
pub(crate) const TOPICS: &[(&str, &str, &str)] = &[
    topic!("files", "how migrations are named and kept"),
    topic!("scripts", "what a script may do, and what draws a warning"),
    topic!("history", "undo, repair, baseline, drift, backups in full"),
    topic!("tools", "coming from another tool in full"),
    topic!(
        "fleets",
        "many databases, scripts that become one, signed folders"
    ),
    topic!("sqlpage", "what is read of a SQLPage project"),
    topic!("root", "as root, and where writing is denied"),
];

/// Topics that are made from tables, and what each is about.
pub(crate) const TABLES: &[(&str, &str)] = &[
    ("exit-codes", "what each number means"),
    ("json", "every field of the JSON output"),
    (
        "recipes",
        "files for cron, init systems, containers, updaters",
    ),
];

/// How `help files` begins: what the manual and the man page begin with.
pub(crate) const FILES: &str = TOPICS[0].2;
