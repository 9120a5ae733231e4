//! The words of other tools, and what they are here.
//!
//! Owns this one table. They are answered, never obeyed: `rollback` is one step in one
//! tool and all of them in another, and `--url` is the database here and a site there.

/// Commands of dbmate, goose, golang-migrate, sqlx, refinery, diesel, Flyway, Prisma,
/// Alembic, Rails and Django, and what is typed here instead.
#[rustfmt::skip] // One line for each meaning, to be read as a table.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["migrate", "run", "apply", "deploy", "upgrade", "update", "push", "latest", "sync", "load"], "up"),
    (&["up-to", "upto", "up-by-one", "goto", "to"], "up --to VERSION"),
    (&["info", "list", "ls", "history", "show", "current", "log"], "status"),
    (&["create", "add", "generate", "make", "gen", "revision", "init"], "new"),
    (&["rollback", "revert", "undo", "downgrade", "reset"], "down"),
    (&["redo"], "down, then up"),
    (&["down-to", "downto"], "down --to VERSION"),
    (&["force", "stamp", "mark", "resolve", "fake"], "baseline or repair"),
    (&["fix", "mend"], "repair"),
    (&["validate", "verify", "pending"], "check"),
    (&["diff"], "check --drift"),
    (&["version"], "status or --version"),
    (&["dump", "schema-dump", "dump-schema"], "schema"),
    (&["backup"], "up --backup FILE"),
];

/// Options of these tools, without their dashes.
#[rustfmt::skip]
const OPTIONS: &[(&[&str], &str)] = &[
    (&["url", "database-url", "db", "db-url", "database-path", "dbstring", "dsn", "connection", "connection-string", "uri"], "--database (-D)"),
    (&["source", "path", "dir", "directory", "folder", "migrations-dir", "migrations-path", "migrations-directory", "migration-dir", "migration-path", "migration-source", "location", "locations"], "--migrations (-m)"),
    (&["config"], "--config-file (-c) or --config-dir (-d)"),
    (&["target", "target-version", "until"], "--to"),
    (&["dry", "dryrun", "simulate", "noop"], "--dry-run"),
    (&["atomic", "transaction", "single", "group"], "--single-transaction"),
    (&["ignore-missing", "ignore-missing-migrations"], "--allow-missing"),
    (&["wait", "lock-timeout", "busy-timeout", "wait-timeout"], "--lock-wait"),
    (&["no-color", "no-colour", "nocolor"], "--color never"),
    (&["colour"], "--color"),
    (&["silent"], "--quiet (-q)"),
    (&["debug", "verbosity"], "--verbose (-v)"),
    (&["format", "output"], "--json"),
];

/// What a command of another tool is called here.
pub(crate) fn command_for(word: &str) -> Option<&'static str> {
    meaning(COMMANDS, word)
}

/// What an option of another tool is called here.
pub(crate) fn option_for(word: &str) -> Option<&'static str> {
    meaning(OPTIONS, word)
}

fn meaning(table: &[(&[&str], &'static str)], word: &str) -> Option<&'static str> {
    let row = table.iter().find(|(words, _)| words.contains(&word))?;
    Some(row.1)
}

#[cfg(test)]
mod tests {
    use super::{COMMANDS, OPTIONS};
    use crate::program::arguments::table::{self, FLAGS};

    /// A word that is known here is not another tool's, and every answer is.
    #[test]
    fn answers_are_known_and_questions_are_not() {
        let is_command = |word: &str| table::COMMANDS.iter().any(|known| known.word == word);
        let is_option = |word: &str| FLAGS.iter().any(|known| known.long == word);
        for (words, answer) in COMMANDS {
            assert!(words.iter().all(|word| !is_command(word)), "{words:?}");
            assert!(
                is_command(answer.split([' ', ',']).next().unwrap()),
                "{answer}"
            );
        }
        for (words, answer) in OPTIONS {
            assert!(words.iter().all(|word| !is_option(word)), "{words:?}");
            let first = answer.split(' ').next().unwrap();
            assert!(is_option(first.trim_start_matches("--")), "{answer}");
        }
    }
}
