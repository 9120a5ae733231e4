//! Lines by which other tools mark the way forward and the way back in one file.
//!
//! Owns what each tool takes for such a line. Reads no file.

use crate::files::foreign::Tool;

/// What a line says to the tool whose annotation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Annotation {
    /// What follows applies. False: outside a transaction.
    Up(bool),
    /// What follows undoes. False: outside a transaction.
    Down(bool),
    StatementBegin,
    StatementEnd,
    NoTransaction,
    EnvironmentOn,
    EnvironmentOff,
    /// The tool refuses it.
    Unknown,
}

/// The tools that have both ways in one file, in the order in which they are asked.
pub(crate) const WITH_ANNOTATIONS: [Tool; 3] = [Tool::Dbmate, Tool::Goose, Tool::SqlMigrate];

/// What a line, without its end, says to `tool`, if it says anything.
pub(crate) fn annotation(tool: Tool, line: &str) -> Option<Annotation> {
    match tool {
        Tool::Dbmate => dbmate(line),
        Tool::Goose => goose(line),
        Tool::SqlMigrate => sql_migrate(line),
        _ => None,
    }
}

/// `^--\s*migrate:up(\s*$|\s+\S+)`, then options such as `transaction:false`
/// (dbmate `pkg/dbmate/migration.go`).
fn dbmate(line: &str) -> Option<Annotation> {
    let rest = line.strip_prefix("--")?.trim_start();
    let rest = rest.strip_prefix("migrate:")?;
    let (is_up, options) = match rest.strip_prefix("up") {
        Some(options) => (true, options),
        None => (false, rest.strip_prefix("down")?),
    };
    if !options.is_empty() && !options.starts_with(char::is_whitespace) {
        return None;
    }
    let transactional = options
        .split_whitespace()
        .rfind(|option| option.starts_with("transaction:"))
        .is_none_or(|option| option != "transaction:false");
    Some(match is_up {
        true => Annotation::Up(transactional),
        false => Annotation::Down(transactional),
    })
}

/// Any comment line with `+goose` in it is one, in whatever case
/// (goose `internal/sqlparser/parser.go`).
fn goose(line: &str) -> Option<Annotation> {
    let trimmed = line.trim();
    if !trimmed.starts_with("--") || !trimmed.contains("+goose") {
        return None;
    }
    let word = trimmed.replace("--", "").replacen("+goose", "", 1);
    let word = word.trim().to_ascii_uppercase();
    Some(match word.as_str() {
        "UP" => Annotation::Up(true),
        "DOWN" => Annotation::Down(true),
        "STATEMENTBEGIN" => Annotation::StatementBegin,
        "STATEMENTEND" => Annotation::StatementEnd,
        "NO TRANSACTION" => Annotation::NoTransaction,
        "ENVSUB ON" => Annotation::EnvironmentOn,
        "ENVSUB OFF" => Annotation::EnvironmentOff,
        _ => Annotation::Unknown,
    })
}

/// `-- +migrate Up notransaction`; other words are passed over
/// (sql-migrate `sqlparse/sqlparse.go`).
fn sql_migrate(line: &str) -> Option<Annotation> {
    let mut words = line.strip_prefix("-- +migrate ")?.split_whitespace();
    let command = words.next();
    let transactional = words.all(|option| option != "notransaction");
    match command? {
        "Up" => Some(Annotation::Up(transactional)),
        "Down" => Some(Annotation::Down(transactional)),
        "StatementBegin" => Some(Annotation::StatementBegin),
        "StatementEnd" => Some(Annotation::StatementEnd),
        _ => None,
    }
}

/// Marks of the way back of tools whose files cannot be brought over: MyBatis
/// (`-- //@UNDO`), shmig (`-- ==== DOWN ====`), Play (`-- !Downs`), micrate
/// (`-- +micrate Down`), rambler (`-- rambler down`), node-pg-migrate (`-- Down Migration`).
pub(super) fn is_other_way_back(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("--") else {
        return false;
    };
    let rest = rest.trim();
    let mybatis = rest.strip_prefix("//").map(str::trim_start);
    let shmig = rest.trim_matches('=').trim();
    mybatis.is_some_and(|word| word.eq_ignore_ascii_case("@UNDO"))
        || (rest.starts_with("====") && rest.ends_with("====") && shmig == "DOWN")
        || rest.trim_start_matches(['-', ' ']) == "!Downs"
        || ["+micrate down", "rambler down", "down migration"]
            .iter()
            .any(|mark| rest.eq_ignore_ascii_case(mark))
}

/// The comments by which node's `sqlite` splits a file. They are ordinary words, so
/// only both together count.
pub(super) fn is_word(line: &str, word: &str) -> bool {
    let rest = line.strip_prefix("--").map(str::trim);
    rest.is_some_and(|rest| rest.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::{Annotation, annotation};
    use crate::files::foreign::Tool;

    #[test]
    fn lines_are_what_their_tools_take_them_for() {
        use Annotation::{Down, EnvironmentOn, NoTransaction, StatementBegin, Unknown, Up};
        for (tool, line, expected) in [
            (Tool::Dbmate, "-- migrate:up", Some(Up(true))),
            (Tool::Dbmate, "--migrate:down\t", Some(Down(true))),
            (
                Tool::Dbmate,
                "-- migrate:up transaction:false",
                Some(Up(false)),
            ),
            (Tool::Dbmate, "-- migrate:upper", None),
            (Tool::Dbmate, " -- migrate:up", None),
            (Tool::Dbmate, "-- MIGRATE:UP", None),
            (Tool::Goose, "-- +goose Up", Some(Up(true))),
            (Tool::Goose, "--+goose down", Some(Down(true))),
            (Tool::Goose, "-- +goose no transaction", Some(NoTransaction)),
            (Tool::Goose, "-- +goose ENVSUB ON", Some(EnvironmentOn)),
            (
                Tool::Goose,
                "-- +goose StatementBegin",
                Some(StatementBegin),
            ),
            (Tool::Goose, "-- +goose Sideways", Some(Unknown)),
            (Tool::Goose, "SELECT '-- +goose Up'", None),
            (Tool::SqlMigrate, "-- +migrate Up", Some(Up(true))),
            (
                Tool::SqlMigrate,
                "-- +migrate Down notransaction",
                Some(Down(false)),
            ),
            (Tool::SqlMigrate, "--+migrate Down", None),
            (Tool::SqlMigrate, "-- +migrate down", None),
        ] {
            assert_eq!(annotation(tool, line), expected, "{line}");
        }
    }
}
