//! The text of a script of another tool becomes the text of ours.
//!
//! Owns what is taken out and what is put in: annotations go, `-- no-transaction` comes
//! first where the tool ran the script outside a transaction, and all else stays byte
//! for byte. What cannot be said in our form is refused.

use crate::diagnostics::position::Position;
use crate::diagnostics::problem::Finding;
use crate::files::foreign::Tool;
use crate::files::foreign::folder::Source;
use crate::files::foreign::marker::{Annotation, annotation};
use crate::files::foreign::search::searched;
use crate::files::read::read_text;
use sha2::{Digest, Sha256};
use std::path::Path;

/// What a script becomes.
#[derive(Debug)]
pub(crate) struct Converted {
    /// What applies; none if the tool has only a way back.
    pub up: Option<String>,
    /// What undoes.
    pub down: Option<String>,
    /// SHA-256 of the file, in hexadecimal, where the tool keeps it.
    pub sha256: Option<String>,
}

/// Reads a script and converts it.
///
/// # Errors
///
/// Why it cannot be converted, with its place.
pub(crate) fn convert(tool: Tool, source: &Source) -> Result<Converted, Finding> {
    let read =
        |path: &Path| read_text(path).map_err(|message| Finding::new("unreadable", path, message));
    let up = source.up.as_deref().map(read).transpose()?;
    let down = source.down.as_deref().map(read).transpose()?;
    let sha256 = match (tool, &up) {
        (Tool::Prisma | Tool::Drizzle, Some(text)) => Some(sha256(text.as_bytes())),
        _ => None,
    };
    for (path, text) in [(&source.up, &up), (&source.down, &down)] {
        if let (Some(path), Some(text)) = (path, text) {
            refuse_unsayable(tool, source, path, text)?;
        }
    }
    let (up, down) = match (tool, &source.up, up) {
        (Tool::Dbmate | Tool::Goose | Tool::SqlMigrate, Some(path), Some(text)) => {
            sections(tool, path, &text)?
        }
        (Tool::Atlas, Some(path), Some(text)) => (Some(atlas(path, text)?), None),
        (Tool::Drizzle, _, Some(text)) => (Some(ended_at_breakpoints(&text)), down),
        (_, _, up) => {
            let outside = |text| without_transaction(text, source.transactional);
            // A way back that holds nothing is none.
            let down = down.filter(|text| searched(text).has_statement() || up.is_none());
            (up.map(outside), down.map(outside))
        }
    };
    Ok(Converted { up, down, sha256 })
}

/// Drizzle takes a script apart at these comments (`drizzle-orm/src/migrator.ts`), so that a
/// statement before one needs no end of its own.
fn ended_at_breakpoints(text: &str) -> String {
    const BREAKPOINT: &str = "--> statement-breakpoint";
    let mut ended = String::with_capacity(text.len());
    let mut pieces = text.split(BREAKPOINT).peekable();
    while let Some(piece) = pieces.next() {
        ended.push_str(piece);
        let found = searched(piece);
        if pieces.peek().is_none() {
            break;
        }
        if found.has_statement() && !found.is_ended() {
            ended.push(';');
        }
        ended.push_str(BREAKPOINT);
    }
    ended
}

/// SHA-256 in hexadecimal, as Prisma and Drizzle keep it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn without_transaction(text: String, transactional: bool) -> String {
    match transactional {
        true => text,
        false => format!("-- no-transaction\n{text}"),
    }
}

fn refused(path: &Path, text: &str, offset: usize, message: &str) -> Finding {
    Finding::at("cannot-convert", Position::new(path, text, offset), message)
}

/// What stands in the text and is replaced or run elsewhere by the tool.
fn refuse_unsayable(tool: Tool, source: &Source, path: &Path, text: &str) -> Result<(), Finding> {
    let at = match tool {
        Tool::Flyway if source.placeholders => text.find("${"),
        _ => None,
    };
    match at {
        Some(at) => {
            let message = "Flyway puts a value in the place of `${…}`, which is not done here: write the value, or say --from refinery if these are refinery's scripts";
            Err(refused(path, text, at, message))
        }
        None => Ok(()),
    }
}

/// Where a line belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Head,
    Up,
    Down,
}

/// Takes a file that holds both ways apart.
fn sections(
    tool: Tool,
    path: &Path,
    text: &str,
) -> Result<(Option<String>, Option<String>), Finding> {
    let name = tool.form().name;
    let mut section = Section::Head;
    let mut texts = [String::new(), String::new()];
    // Whether each way is to be run in a transaction, once it has begun.
    let mut ways: [Option<bool>; 2] = [None, None];
    let mut block: Option<usize> = None;
    let mut everything_outside = false;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let refuse = |message: String| Err(refused(path, text, offset, &message));
        let found = annotation(tool, line.trim_end());
        let side = usize::from(section == Section::Down);
        match found {
            None => texts[side].push_str(line),
            Some(Annotation::Up(transactional) | Annotation::Down(transactional)) => {
                let is_up = matches!(found, Some(Annotation::Up(_)));
                if section == Section::Head && searched(&texts[0]).has_statement() {
                    return refuse(format!(
                        "a statement stands before this line, which {name} does not run: take it out"
                    ));
                }
                if block.is_some() {
                    return refuse(format!("{name}'s StatementEnd is missing before this line"));
                }
                let way = &mut ways[usize::from(!is_up)];
                if way.is_some() && (tool != Tool::SqlMigrate || *way != Some(transactional)) {
                    return refuse(
                        "this part is there twice: make two migrations of this one".to_owned(),
                    );
                }
                *way = Some(transactional);
                section = if is_up { Section::Up } else { Section::Down };
            }
            Some(Annotation::StatementBegin) => block = Some(texts[side].len()),
            Some(Annotation::StatementEnd) => {
                // The tool sends the block as one statement, with or without its end.
                let begin = block.take().unwrap_or(texts[side].len());
                if !searched(&texts[side][begin..]).is_ended() {
                    texts[side].push_str(";\n");
                }
            }
            Some(Annotation::NoTransaction) => everything_outside = true,
            Some(Annotation::EnvironmentOff) => {}
            Some(Annotation::EnvironmentOn) => {
                return refuse(format!(
                    "{name} puts values of the environment into what follows, which is not done here: write the values, and take the lines ENVSUB out"
                ));
            }
            Some(Annotation::Unknown) => {
                return refuse(format!("{name} does not know this line: correct it"));
            }
        }
        offset += line.len();
    }
    let [up_text, down_text] = texts;
    let Some(transactional) = ways[0] else {
        let message = format!("{name} finds no way forward in it: its `Up` line is missing");
        return Err(Finding::new("cannot-convert", path, message));
    };
    let up = without_transaction(up_text, transactional && !everything_outside);
    let down = ways[1].filter(|_| searched(&down_text).has_statement());
    let down = down
        .map(|transactional| without_transaction(down_text, transactional && !everything_outside));
    Ok((Some(up), down))
}

/// Atlas' own form: directives are comments at the head of the file
/// (`sql/migrate/dir.go`, `comments`).
fn atlas(path: &Path, text: String) -> Result<String, Finding> {
    let mut offset = 0;
    let mut outside = false;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_end();
        if !trimmed.starts_with("--") && !trimmed.starts_with('#') {
            break;
        }
        let directive = trimmed.split_once("atlas:").map(|(_, rest)| rest.trim());
        let mut words = directive.unwrap_or_default().split_whitespace();
        match (words.next(), words.next()) {
            (Some("txmode"), Some("none")) => outside = true,
            (Some(word @ ("checkpoint" | "delimiter" | "import" | "txtar")), _) => {
                let message = format!(
                    "Atlas treats this file in another way because of `atlas:{word}`, which is not done here: leave the file out, or write what it does"
                );
                return Err(refused(path, &text, offset, &message));
            }
            _ => {}
        }
        offset += line.len();
    }
    Ok(without_transaction(text, !outside))
}

#[cfg(test)]
mod tests {
    use super::sections;
    use crate::files::foreign::Tool;
    use std::path::Path;

    fn converted(tool: Tool, text: &str) -> Result<(String, Option<String>), String> {
        match sections(tool, Path::new("1_a.sql"), text) {
            Ok((up, down)) => Ok((up.unwrap_or_default(), down)),
            Err(finding) => Err(finding.to_string()),
        }
    }

    #[test]
    fn both_ways_are_taken_apart_byte_for_byte() {
        let both = |up: &str, down: &str| Ok((up.to_owned(), Some(down.to_owned())));
        assert_eq!(
            converted(
                Tool::Dbmate,
                "-- head\n\n-- migrate:up transaction:false\r\nA;\r\n\r\n-- migrate:down\r\nB;"
            ),
            both("-- no-transaction\n-- head\n\nA;\r\n\r\n", "B;")
        );
        assert_eq!(
            converted(
                Tool::Goose,
                "-- +goose NO TRANSACTION\n-- +goose Up\nA;\n-- +goose Down\nB;\n"
            ),
            both("-- no-transaction\nA;\n", "-- no-transaction\nB;\n")
        );
        assert_eq!(
            converted(
                Tool::Goose,
                "-- +goose Up\n-- +goose StatementBegin\nCREATE TRIGGER x BEGIN A; END\n-- +goose StatementEnd\nB;\n-- +goose Down\n"
            ),
            Ok(("CREATE TRIGGER x BEGIN A; END\n;\nB;\n".to_owned(), None))
        );
        assert_eq!(
            converted(
                Tool::SqlMigrate,
                "-- +migrate Down notransaction\nB;\n-- +migrate Up\nA;\n-- +migrate Down notransaction\nC;\n"
            ),
            both("A;\n", "-- no-transaction\nB;\nC;\n")
        );
    }

    #[test]
    fn what_cannot_be_converted_is_refused_at_its_line() {
        for (tool, text, place) in [
            (
                Tool::Goose,
                "-- +goose Up\n-- +goose ENVSUB ON\nA;\n",
                "1_a.sql:2:1: ",
            ),
            (Tool::Goose, "-- +goose Up\n-- +goose Up\n", "1_a.sql:2:1: "),
            (Tool::Goose, "A;\n", "1_a.sql: "),
            (Tool::Goose, "A;\n-- +goose Up\n", "1_a.sql:2:1: "),
            (
                Tool::Dbmate,
                "-- migrate:up\nA;\n-- migrate:down\n-- migrate:up\n",
                "1_a.sql:4:1: ",
            ),
            (Tool::SqlMigrate, "-- +migrate Down\nA;\n", "1_a.sql: "),
        ] {
            let refused = converted(tool, text).unwrap_err();
            assert!(refused.starts_with(place), "{refused}");
        }
    }
}
