//! What other tools have recorded in the database, beside our files.
//!
//! Owns the refusal to run what is theirs or was run by them, and what a baseline without
//! a version records. Writes nothing.

pub(crate) mod matching;
pub(crate) mod tables;

use crate::database::permission::directory_of;
use crate::diagnostics::error::Error;
use crate::diagnostics::text::counted;
use crate::files::foreign::Tool;
use crate::files::foreign::convert::sha256;
use crate::files::foreign::search::look_through;
use crate::files::migration::{Kind, Migration};
use crate::files::read::read_sql;
use crate::plan::foreign::matching::{AppliedScript, Script};
use crate::plan::foreign::tables::{read, tools};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Of pending scripts, by version: the tool whose annotations they have.
pub(crate) type Forms = BTreeMap<i64, Option<Tool>>;

/// Refuses to run pending scripts that are another tool's: those that hold their way
/// back, and, where the database has no history of ours, those that another tool's
/// history names.
///
/// # Errors
///
/// [`Error::Unusable`] with every file that holds its way back; [`Error::Declined`] if
/// another tool has applied them; [`Error::Read`], [`Error::Database`].
pub(crate) fn refuse_pending(
    connection: Option<&Connection>,
    has_no_history: bool,
    pending: &[&Migration],
) -> Result<Forms, Error> {
    let forms = refuse_way_back(pending)?;
    if let Some(connection) = connection.filter(|_| has_no_history) {
        refuse_applied_elsewhere(connection, pending, &forms)?;
    }
    Ok(forms)
}

/// The part of it that reads each file.
pub(crate) fn refuse_way_back(pending: &[&Migration]) -> Result<Forms, Error> {
    let mut forms = Forms::new();
    let mut findings = Vec::new();
    let mut buffer = Vec::new();
    for migration in pending {
        let seen = look_through(migration, &mut buffer).map_err(|source| Error::Read {
            path: migration.path.clone(),
            source,
        })?;
        forms.insert(migration.version, seen.tool);
        findings.extend(seen.refusal);
    }
    match findings.first() {
        None => Ok(forms),
        Some(first) => Err(Error::Unusable {
            directory: directory_of(&first.path).to_owned(),
            findings,
            warnings: Vec::new(),
        }),
    }
}

/// The part of it that asks a database without a history of ours.
pub(crate) fn refuse_applied_elsewhere(
    connection: &Connection,
    pending: &[&Migration],
    forms: &Forms,
) -> Result<(), Error> {
    if pending.is_empty() {
        return Ok(());
    }
    for tool in tools(connection)? {
        let names: Vec<String> = pending.iter().map(|file| file.short_name()).collect();
        let scripts = scripts_of(pending, &names, tool)?;
        let descriptions: Vec<&str> = pending.iter().map(|file| &*file.description).collect();
        let has_form = |index: usize| match tool {
            Tool::GolangMigrate => pending[index].kind == Kind::Up,
            tool => forms.get(&pending[index].version) == Some(&Some(tool)),
        };
        let history = read(connection, tool)?;
        if let (Some(problem), true) = (history.problems.first(), (0..pending.len()).any(has_form))
        {
            return Err(Error::Declined {
                database: PathBuf::from(connection.path().unwrap_or_default()),
                message: half_done(tool, problem),
            });
        }
        let named = history.named(&scripts, &descriptions, &has_form);
        if let Some(&first) = named.first() {
            let form = tool.form();
            let whose = match is_of_rails(connection) {
                true => "Rails",
                false => form.name,
            };
            let message = format!(
                "{} has applied {} that {} pending here, as its table {} says: {}; if they are what it has applied, record them with `litemigrate baseline` (or bring its folder over with `litemigrate import`), and if not, give them other versions",
                whose,
                counted(named.len(), "script", "scripts"),
                if named.len() == 1 { "is" } else { "are" },
                form.table.unwrap_or_default(),
                match named.len() {
                    1 => pending[first].file_name(),
                    count => format!("{} and {} more", pending[first].file_name(), count - 1),
                }
            );
            return Err(Error::Declined {
                database: PathBuf::from(connection.path().unwrap_or_default()),
                message,
            });
        }
    }
    Ok(())
}

/// What a tool has left half done must be mended by it: nobody knows what of it is there.
fn half_done(tool: Tool, problem: &str) -> String {
    let form = tool.form();
    format!(
        "the table {} of {}: {problem}: mend that first, with {}",
        form.table.unwrap_or_default(),
        form.name,
        form.name
    )
}

/// Rails' history has the form of dbmate's, and another table beside it.
fn is_of_rails(connection: &Connection) -> bool {
    let query = "SELECT 1 FROM main.sqlite_schema WHERE name = 'ar_internal_metadata'";
    connection.query_row(query, [], |_| Ok(())).is_ok()
}

/// The versions of files of ours that the history of another tool says are applied, with
/// the times that it kept.
///
/// # Errors
///
/// [`Error::Declined`] if there is no such history, more than one, or if it says more
/// than there are files for.
pub(crate) fn applied_elsewhere(
    connection: &Connection,
    migrations: &[Migration],
) -> Result<Vec<(i64, Option<String>)>, Error> {
    let declined = |message: String| Error::Declined {
        database: PathBuf::from(connection.path().unwrap_or_default()),
        message,
    };
    let files = migrations.iter().filter(|file| file.kind != Kind::Down);
    let files: Vec<&Migration> = files.collect();
    let names: Vec<String> = files.iter().map(|file| file.short_name()).collect();
    let mut found = None;
    for tool in tools(connection)? {
        let scripts = scripts_of(&files, &names, tool)?;
        let history = read(connection, tool)?;
        let is_ours = tool == Tool::GolangMigrate && files.iter().any(|file| file.kind == Kind::Up);
        if let (Some(problem), true) = (history.problems.first(), is_ours) {
            return Err(declined(half_done(tool, problem)));
        }
        if !history.knows_any(&scripts) {
            continue;
        }
        if let Some((other, _)) = found {
            let message = format!(
                "the histories of {} and of {} both name migrations of this folder: say up to which version they are applied, as `litemigrate baseline 7`",
                Tool::form(other).name,
                tool.form().name
            );
            return Err(declined(message));
        }
        found = Some((tool, history.applied(&scripts)));
    }
    match found {
        None => Err(declined("no other tool's history in it names a migration of this folder: say up to which version they are applied, as `litemigrate baseline 7`".to_owned())),
        Some((tool, Err(problems))) => Err(declined(format!(
            "the table {} of {}: {}: mend that first, or say up to which version the migrations are applied, as `litemigrate baseline 7`",
            tool.form().table.unwrap_or_default(),
            tool.form().name,
            problems.join("; ")
        ))),
        Some((_, Ok(applied))) => {
            let version = |script: AppliedScript| (files[script.index].version, script.installed_on);
            Ok(applied.into_iter().map(version).collect())
        }
    }
}

/// Files of ours as what a row of `tool` may be about; `names` are theirs.
///
/// # Errors
///
/// [`Error::Read`] if the tool keeps checksums and a file cannot be read.
pub(crate) fn scripts_of<'a>(
    migrations: &[&'a Migration],
    names: &'a [String],
    tool: Tool,
) -> Result<Vec<Script<'a>>, Error> {
    let keeps_checksums = matches!(tool, Tool::Prisma | Tool::Drizzle);
    let mut scripts = Vec::with_capacity(migrations.len());
    for (migration, key) in migrations.iter().zip(names) {
        scripts.push(Script {
            version: migration.version,
            key,
            when: None,
            sha256: match keeps_checksums {
                true => Some(sha256(read_sql(migration)?.as_bytes())),
                false => None,
            },
        });
    }
    Ok(scripts)
}

#[cfg(test)]
mod tests {
    use super::matching::{AppliedScript, Script};
    use super::tables::{read, tools};
    use crate::files::foreign::Tool;
    use rusqlite::Connection;

    fn script(version: i64, key: &'static str) -> Script<'static> {
        Script {
            version,
            key,
            when: None,
            sha256: None,
        }
    }

    fn applied(sql: &str, tool: Tool) -> Result<Vec<(usize, Option<String>)>, Vec<String>> {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        assert!(tool == Tool::Rusqlite || tools(&connection).unwrap().contains(&tool));
        let scripts = [script(1, "1_a"), script(2, "2_b"), script(3, "3_c")];
        let found = read(&connection, tool).unwrap().applied(&scripts)?;
        let pair = |found: AppliedScript| (found.index, found.installed_on);
        Ok(found.into_iter().map(pair).collect())
    }

    #[test]
    fn the_last_row_about_a_version_counts() {
        let goose = "CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')));
            INSERT INTO goose_db_version (version_id, is_applied, tstamp) VALUES (0, 1, '2024-01-01 00:00:00'), (1, 1, '2024-01-02 10:11:12'), (2, 1, '2024-01-03 00:00:00'), (2, 0, '2024-01-04 00:00:00');";
        let when = Some("2024-01-02 10:11:12".to_owned());
        assert_eq!(applied(goose, Tool::Goose), Ok(vec![(0, when)]));
    }

    #[test]
    fn times_come_in_many_forms() {
        for (value, expected) in [
            ("1704190272000", Some("2024-01-02 10:11:12")),
            ("1704190272", Some("2024-01-02 10:11:12")),
            (
                "'2024-01-02T10:11:12.123456789Z'",
                Some("2024-01-02 10:11:12"),
            ),
            ("'2024-01-02 12:11:12.5+02:00'", Some("2024-01-02 10:11:12")),
            (
                "'2024-01-02 10:11:12.5 +0000 UTC'",
                Some("2024-01-02 10:11:12"),
            ),
            ("'2024-01-02 10:11:12 +0200 CEST'", None),
            ("NULL", None),
        ] {
            let sql = format!(
                "CREATE TABLE gorp_migrations (id varchar(255) not null primary key, applied_at datetime); INSERT INTO gorp_migrations VALUES ('1_a.sql', {value})"
            );
            let expected = expected.map(str::to_owned);
            assert_eq!(
                applied(&sql, Tool::SqlMigrate),
                Ok(vec![(0, expected)]),
                "{value}"
            );
        }
    }

    #[test]
    fn a_table_is_a_tools_by_its_columns() {
        let connection = Connection::open_in_memory().unwrap();
        let found = |sql: &str| {
            connection.execute_batch(sql).unwrap();
            tools(&connection).unwrap()
        };
        assert_eq!(
            found("CREATE TABLE schema_migrations (version bigint, inserted_at)"),
            []
        );
        assert_eq!(
            found(
                "DROP TABLE schema_migrations; CREATE TABLE schema_migrations (version uint64, dirty bool)"
            ),
            [Tool::GolangMigrate]
        );
        assert_eq!(
            found(
                "DROP TABLE schema_migrations; CREATE VIEW schema_migrations AS SELECT 1 AS version"
            ),
            []
        );
        assert_eq!(
            found("CREATE TABLE d1_migrations (id, name AS (zeroblob(1000)), applied_at)"),
            []
        );
    }
}
