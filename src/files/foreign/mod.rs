//! Files of other tools: whose they are, and what they become under our names.
//!
//! Owns the table of tools: a new one is an entry in [`TOOLS`], a way to list its
//! files in `folder`, and the rows of its history in `plan/foreign`. Never writes a
//! file and never opens a database. Each form is that of the tool's own source, which
//! is named beside it.

pub(crate) mod convert;
pub(crate) mod folder;
pub(crate) mod marker;
pub(crate) mod recognise;
pub(crate) mod search;

use crate::diagnostics::problem::Finding;
use crate::diagnostics::text::for_a_shell;
use std::path::{Path, PathBuf};

/// A tool whose files can be brought over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Dbmate,
    Goose,
    SqlMigrate,
    GolangMigrate,
    Refinery,
    Diesel,
    Flyway,
    Prisma,
    Drizzle,
    D1,
    Atlas,
    Rusqlite,
}

/// What is known of a tool.
pub(crate) struct Form {
    pub tool: Tool,
    /// The word of `--from`.
    pub word: &'static str,
    /// How people write it.
    pub name: &'static str,
    /// The table in which it keeps what it has applied, in lower case; none if it
    /// counts in `PRAGMA user_version`.
    pub table: Option<&'static str>,
}

const fn form(
    tool: Tool,
    word: &'static str,
    name: &'static str,
    table: Option<&'static str>,
) -> Form {
    Form {
        tool,
        word,
        name,
        table,
    }
}

/// Every tool that is known.
#[rustfmt::skip] // One line for each, to be read as a table.
pub(crate) const TOOLS: [Form; 12] = [
    // pkg/dbmate/migration.go, pkg/driver/sqlite/sqlite.go
    form(Tool::Dbmate, "dbmate", "dbmate", Some("schema_migrations")),
    // internal/sqlparser/parser.go, internal/dialects/sqlite3.go
    form(Tool::Goose, "goose", "goose", Some("goose_db_version")),
    // sqlparse/sqlparse.go, migrate.go (the table is made by gorp)
    form(Tool::SqlMigrate, "sql-migrate", "sql-migrate", Some("gorp_migrations")),
    // source/parse.go, database/sqlite3/sqlite3.go
    form(Tool::GolangMigrate, "golang-migrate", "golang-migrate", Some("schema_migrations")),
    // refinery_core/src/util.rs, refinery_core/src/traits/mod.rs
    form(Tool::Refinery, "refinery", "refinery", Some("refinery_schema_history")),
    // diesel_migrations/src/file_based_migrations.rs, diesel/src/migration/setup_migration_table.sql
    form(Tool::Diesel, "diesel", "diesel", Some("__diesel_schema_migrations")),
    // internal/resource/ResourceNameParser.java, internal/database/sqlite/SQLiteDatabase.java
    form(Tool::Flyway, "flyway", "Flyway", Some("flyway_schema_history")),
    // prisma-engines: schema-engine, "_prisma_migrations"
    form(Tool::Prisma, "prisma", "Prisma", Some("_prisma_migrations")),
    // drizzle-orm/src/migrator.ts, drizzle-orm/src/sqlite-core/dialect.ts
    form(Tool::Drizzle, "drizzle", "Drizzle", Some("__drizzle_migrations")),
    // workers-sdk: packages/wrangler/src/d1/migrations/helpers.ts
    form(Tool::D1, "d1", "Cloudflare D1", Some("d1_migrations")),
    // sql/migrate/dir.go, cmd/atlas/internal/migrate/ent/migrate/schema.go
    form(Tool::Atlas, "atlas", "Atlas", Some("atlas_schema_revisions")),
    // rusqlite_migration/src/loader.rs
    form(Tool::Rusqlite, "rusqlite", "rusqlite_migration", None),
];

/// The tables, in lower case, that other tools make, of which nothing is brought over:
/// those of tools whose migrations are programs, and what some have besides.
const OTHER_TABLES: [(&str, &str); 12] = [
    ("schema_migrations", "Rails"),
    ("ar_internal_metadata", "Rails"),
    ("_cf_kv", "Cloudflare"),
    ("knex_migrations", "Knex"),
    ("knex_migrations_lock", "Knex"),
    ("alembic_version", "Alembic"),
    ("django_migrations", "Django"),
    ("seaql_migrations", "SeaORM"),
    ("__efmigrationshistory", "Entity Framework"),
    ("__efmigrationslock", "Entity Framework"),
    ("sequelizemeta", "Sequelize"),
    ("phinxlog", "Phinx"),
];

/// Whose history a table of this name is, as a phrase: `dbmate, golang-migrate or Rails`.
pub(crate) fn whose_table(name: &str) -> Option<String> {
    let ours = TOOLS
        .iter()
        .filter_map(|form| Some((form.table?, form.name)));
    let names: Vec<&str> = ours
        .chain(OTHER_TABLES)
        .filter(|(table, _)| table.eq_ignore_ascii_case(name))
        .map(|(_, tool)| tool)
        .collect();
    match &names[..] {
        [] => None,
        [one] => Some((*one).to_owned()),
        [first @ .., last] => Some(format!("{} or {last}", first.join(", "))),
    }
}

impl Tool {
    /// What is known of it.
    pub(crate) fn form(self) -> &'static Form {
        // Every tool is in the table, which a test checks.
        TOOLS
            .iter()
            .find(|form| form.tool == self)
            .unwrap_or(&TOOLS[0])
    }

    /// The tool that a word of the command line names.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        let found = TOOLS.iter().find(|form| form.word == word);
        found.map(|form| form.tool)
    }
}

/// The form `V1__x.sql` of Flyway and refinery, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct VersionedName<'a> {
    /// `V`, `U`, `R` or `B`.
    pub prefix: char,
    pub version: &'a str,
    pub description: &'a str,
    /// `sql`, `rs` …
    pub extension: &'a str,
}

/// Takes a name of the form `V1__x.sql` apart. `R__x.sql` has no version.
pub(crate) fn versioned_name(name: &str) -> Option<VersionedName<'_>> {
    let prefix = name.chars().next().filter(|c| "VURB".contains(*c))?;
    let (version, rest) = name[1..].split_once("__")?;
    let (description, extension) = rest.rsplit_once('.')?;
    let has_its_version = match prefix {
        'R' => version.is_empty(),
        _ => version.starts_with(|c: char| c.is_ascii_digit()),
    };
    let is_script = ["sql", "rs", "java"].contains(&extension);
    (is_script && has_its_version).then_some(VersionedName {
        prefix,
        version,
        description,
        extension,
    })
}

/// A sign of another tool in a folder of scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sign {
    /// Whose it is, as a phrase.
    pub tool: &'static str,
    pub path: PathBuf,
}

/// Whose a sub-folder of a folder of scripts is, by a file in it that only that
/// tool puts there.
pub(crate) fn sign_of_folder(path: &Path) -> Option<Sign> {
    let name = path.file_name()?.to_str()?;
    let sign = |tool, file: &str| {
        let path = path.join(file);
        path.is_file().then_some(Sign { tool, path })
    };
    if name == "meta" {
        return sign("Drizzle", "_journal.json");
    }
    if name.starts_with('.') {
        return None;
    }
    let with_folders = match path.join("snapshot.json").is_file() {
        true => "Drizzle",
        false => "Prisma",
    };
    let with_two_files = match recognise::is_rusqlite_name(name) {
        true => "rusqlite_migration",
        false => "diesel",
    };
    sign(with_folders, "migration.sql").or_else(|| sign(with_two_files, "up.sql"))
}

/// Whose a file is whose name is not ours: Flyway's and refinery's.
pub(crate) fn sign_of_file(path: &Path) -> Option<Sign> {
    let name = versioned_name(path.file_name()?.to_str()?)?;
    let tool = match (name.prefix, name.extension) {
        ('R' | 'B', _) | (_, "java") => "Flyway",
        (_, "rs") => "refinery",
        _ => "Flyway or refinery",
    };
    Some(Sign {
        tool,
        path: path.to_owned(),
    })
}

/// What is to be done about another tool's files in `directory`.
pub(crate) fn cure(directory: &Path) -> String {
    format!(
        "bring the scripts over to another folder with `litemigrate import {} -m FOLDER`",
        for_a_shell(&directory.to_string_lossy())
    )
}

/// One finding for each tool whose signs are in `directory`, which names the first.
pub(crate) fn findings(directory: &Path, signs: Vec<Sign>) -> Vec<Finding> {
    let mut tools: Vec<(Sign, usize)> = Vec::new();
    for sign in signs {
        match tools.iter_mut().find(|(known, _)| known.tool == sign.tool) {
            Some((first, count)) => {
                *count += 1;
                first.path = sign.path.min(std::mem::take(&mut first.path));
            }
            None => tools.push((sign, 0)),
        }
    }
    let finding = |(first, others): (Sign, usize)| {
        let more = match others {
            0 => String::new(),
            others => format!(" ({others} more like it)"),
        };
        let message = format!(
            "belongs to {} and is passed over{more}: {}",
            first.tool,
            cure(directory)
        );
        Finding::new("another-tool", &first.path, message)
    };
    tools.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::{TOOLS, Tool, versioned_name, whose_table};

    #[test]
    fn every_tool_is_found_by_its_word() {
        for form in &TOOLS {
            assert_eq!(Tool::of_word(form.word), Some(form.tool));
            assert_eq!(form.tool.form().word, form.word);
            let table = form.table.unwrap_or_default();
            assert_eq!(table, table.to_ascii_lowercase());
        }
    }

    #[test]
    fn a_table_is_known_by_its_name() {
        let whose = |name| whose_table(name).unwrap_or_default();
        assert_eq!(
            whose("Schema_Migrations"),
            "dbmate, golang-migrate or Rails"
        );
        assert_eq!(whose("goose_db_version"), "goose");
        assert_eq!(whose("knex_migrations"), "Knex");
        assert_eq!(whose("schema"), "");
    }

    #[test]
    fn versioned_names_are_taken_apart() {
        let parts =
            |name| versioned_name(name).map(|n| (n.prefix, n.version, n.description, n.extension));
        assert_eq!(parts("V1__a.sql"), Some(('V', "1", "a", "sql")));
        assert_eq!(parts("V1_1__a.sql"), Some(('V', "1_1", "a", "sql")));
        assert_eq!(parts("U2.1__b_c.rs"), Some(('U', "2.1", "b_c", "rs")));
        assert_eq!(parts("R__views.sql"), Some(('R', "", "views", "sql")));
        for name in [
            "V__a.sql",
            "R1__a.sql",
            "V1_a.sql",
            "v1__a.sql",
            "V1__a.md",
            "1__a.sql",
            "VÄ__a.sql",
            "",
        ] {
            assert_eq!(parts(name), None, "{name}");
        }
    }
}
