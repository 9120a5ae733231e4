//! What there is to type: commands, options, topics.
//!
//! The one table from which parsing, help, man page and completions are made.

use crate::files::foreign::TOOLS;

/// The commands by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Up,
    Status,
    Check,
    New,
    Down,
    Baseline,
    Repair,
    Schema,
    Restore,
    Import,
    Help,
}

/// A command, and what is said about it.
pub(crate) struct CommandHelp {
    pub(crate) name: Name,
    pub(crate) word: &'static str,
    pub(crate) operand: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) about: &'static str,
}

/// The commands, in the order of the help; the first is the default.
pub(crate) const COMMANDS: &[CommandHelp] = &[
    CommandHelp {
        name: Name::Up,
        word: "up",
        operand: "",
        summary: "apply every pending migration (the default)",
        about: "Applies every pending migration, in the order of the versions. Each script and its\nrow in _sqlx_migrations are one transaction: applied whole, or not at all. Before\nanything is written, every file is checked against the history, and everything\nthat is wrong is reported. With nothing to do it writes nothing, and prints\nnothing unless stdout is a terminal.",
    },
    CommandHelp {
        name: Name::Status,
        word: "status",
        operand: "",
        summary: "list every migration and its state",
        about: "Lists every version of the files and of the history: pending, applied, modified\n(edited after it was applied), missing (applied, but the file is gone) or failed\n(left half done by another tool). Writes nothing, but brings in what a crash left.",
    },
    CommandHelp {
        name: Name::Check,
        word: "check",
        operand: "",
        summary: "answer by exit code: is the database up to date?",
        about: "Exits 0 if nothing is pending and nothing is wrong, 3 if migrations are pending,\n4 if the database is newer than the files, 65 if they disagree. Writes nothing, but\nbrings in what a crash left.",
    },
    CommandHelp {
        name: Name::New,
        word: "new",
        operand: " NAME",
        summary: "create the next migration file",
        about: "Creates the next migration file and prints its name. It is numbered as the others\nare: the next number (0007_) where they are sequential, else a UTC timestamp.",
    },
    CommandHelp {
        name: Name::Down,
        word: "down",
        operand: "",
        summary: "undo migrations with their .down.sql files",
        about: "Undoes the newest migration with its .down.sql file, or with --to everything\nabove that version, newest first. Each script and the removal of its row are one\ntransaction. All scripts that are needed are checked for before the first runs.",
    },
    CommandHelp {
        name: Name::Baseline,
        word: "baseline",
        operand: " [V]",
        summary: "record the migrations up to V as applied, without running them",
        about: "Records the pending migrations up to and including version V as applied, without\nrunning them: for a database that already has what they make. Without V it records\nthose that another tool's history in the database names: see `import`.",
    },
    CommandHelp {
        name: Name::Repair,
        word: "repair",
        operand: " V...",
        summary: "bring the history in line with the files, by name",
        about: "For each version that is named: if its script was edited, the recorded checksum\nbecomes the file's; if it is missing or failed, it is removed from the history.\n--line-endings takes every script that differs only in line endings, byte order\nmark or final newline; --renumbered gives every row whose script has another number\nnow that number. A version that is in order stays as it is. Nothing but\n_sqlx_migrations is changed.",
    },
    CommandHelp {
        name: Name::Schema,
        word: "schema",
        operand: "",
        summary: "print the schema that the migrations make",
        about: "Replays the migrations into memory and prints the schema that they make, in a\nstable order, fit to be kept as schema.sql. `check --drift` compares it with the\ndatabase's.",
    },
    CommandHelp {
        name: Name::Restore,
        word: "restore",
        operand: " FILE",
        summary: "put a backup back",
        about: "Checks the backup FILE, then copies it back over the database in one transaction:\nwho has the database open sees the old content or the new. A damaged\ndatabase is replaced, and a missing one made. Refused while somebody else writes.\n`up --backup FILE` makes such a file; so does `up --backup DIR/`, one for each version.",
    },
    CommandHelp {
        name: Name::Import,
        word: "import",
        operand: " FOLDER",
        summary: "bring another tool's scripts and history over",
        about: "Writes the scripts in FOLDER, which are dbmate's, goose's, sql-migrate's,\ngolang-migrate's, refinery's, diesel's, Flyway's, Prisma's, Drizzle's, Cloudflare\nD1's, Atlas' or rusqlite_migration's, into the folder of migrations under our names,\nand records what that tool has applied to the database of -D, if there is one. Nothing\nis run. FOLDER and the other tool's table stay as they are; no file is overwritten.",
    },
    CommandHelp {
        name: Name::Help,
        word: "help",
        operand: " [TOPIC]",
        summary: "explain a command or a topic: `help help` lists them",
        about: "Explains a command, or a topic; `help recipes NAME` prints a recipe.",
    },
];

/// The options by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Id {
    ConfigDir,
    ConfigFile,
    Profile,
    Migrations,
    Database,
    Vfs,
    Table,
    DatabasesFrom,
    Null,
    FailFast,
    To,
    LockWait,
    Timeout,
    DryRun,
    SingleTransaction,
    Backup,
    Keep,
    Verify,
    AllowCascade,
    Strict,
    OutOfOrder,
    AllowMissing,
    AllowNewer,
    NoCreate,
    NoDotenv,
    Optional,
    Sequential,
    Timestamp,
    Reversible,
    Force,
    LineEndings,
    Renumbered,
    Drift,
    Long,
    From,
    Ignore,
    FolderChecksum,
    Quiet,
    Verbose,
    Json,
    Color,
    Help,
    Version,
    Generate,
}

/// An option.
pub(crate) struct Flag {
    pub(crate) id: Id,
    pub(crate) short: Option<char>,
    pub(crate) long: &'static str,
    pub(crate) value: Option<&'static str>,
    /// The commands that know it; none means all.
    commands: &'static [Name],
    pub(crate) help: &'static str,
}

// Each list is the beginning of the next: what opens a database to look at its
// history, what connects as SQLPage does, what needs a database.
const ALL_WITH_A_DATABASE: [Name; 9] = [
    Name::Up,
    Name::Status,
    Name::Check,
    Name::Down,
    Name::Baseline,
    Name::Repair,
    Name::Schema,
    Name::Restore,
    Name::Import,
];
const LOOKING: &[Name] = ALL_WITH_A_DATABASE.split_at(6).0;
const CONNECTING: &[Name] = ALL_WITH_A_DATABASE.split_at(7).0;
const DATABASE: &[Name] = &ALL_WITH_A_DATABASE;
const SEVERAL: &[Name] = &[
    Name::Up,
    Name::Status,
    Name::Check,
    Name::Baseline,
    Name::Repair,
];
const RUNNING: &[Name] = &[Name::Up, Name::Down];
const FOR_SHOW: &[Name] = &[
    Name::Up,
    Name::Down,
    Name::Baseline,
    Name::Repair,
    Name::Import,
];
const REFUSING: &[Name] = &[
    Name::Up,
    Name::Check,
    Name::Down,
    Name::Baseline,
    Name::Import,
];
const BASELINE: &[Name] = &[Name::Baseline];
const REPAIR: &[Name] = &[Name::Repair];
const STATUS: &[Name] = &[Name::Status];
const CHECK: &[Name] = &[Name::Check];
const JUDGING: &[Name] = &[Name::Up, Name::Check];
const NEW: &[Name] = &[Name::New];
const STRICT: &[Name] = &[Name::Up, Name::Check, Name::Down];
const IMPORT: &[Name] = &[Name::Import];

/// Whether the word is that of a command.
pub(crate) fn is_command(word: &str) -> bool {
    COMMANDS.iter().any(|command| command.word == word)
}

impl CommandHelp {
    /// Whether it may be about several databases.
    pub(crate) fn takes_several(&self) -> bool {
        SEVERAL.contains(&self.name)
    }
}

impl Flag {
    /// Whether the command knows it.
    pub(crate) fn goes_with(&self, command: &CommandHelp) -> bool {
        self.commands.is_empty() || self.commands.contains(&command.name)
    }

    /// The words that its value can be; none if it can be anything.
    pub(crate) fn words(&self) -> Vec<&'static str> {
        match self.value {
            Some("TOOL") => TOOLS.iter().map(|form| form.word).collect(),
            Some(value) if value.starts_with(char::is_lowercase) => value.split('|').collect(),
            _ => Vec::new(),
        }
    }
}

const fn flag(
    id: Id,
    short: Option<char>,
    long: &'static str,
    value: Option<&'static str>,
    commands: &'static [Name],
    help: &'static str,
) -> Flag {
    Flag {
        id,
        short,
        long,
        value,
        commands,
        help,
    }
}

/// The options, in the order of the help.
#[rustfmt::skip] // One line for each, to be read as a table.
pub(crate) const FLAGS: &[Flag] = &[
    flag(Id::Migrations, Some('m'), "migrations", Some("DIR"), &[], "the folder of scripts [<config-dir>/migrations]"),
    flag(Id::Database, Some('D'), "database", Some("PATH|URL"), DATABASE, "the database, or several [$DATABASE_URL, SQLPage's]"),
    flag(Id::ConfigDir, Some('d'), "config-dir", Some("DIR"), &[], "SQLPage's configuration [$CONFIGURATION_DIRECTORY, ./sqlpage]"),
    flag(Id::ConfigFile, Some('c'), "config-file", Some("FILE"), &[], "SQLPage's settings [<config-dir>/sqlpage.json]"),
    flag(Id::Profile, None, "profile", Some("sqlpage|sqlite"), CONNECTING, "connections as SQLPage's or stock [sqlite with -m]"),
    flag(Id::To, None, "to", Some("VERSION"), RUNNING, "the last version; down: undo what is above it"),
    flag(Id::Vfs, None, "vfs", Some("NAME"), DATABASE, "SQLite's way to files and locks, as unix-dotfile"),
    flag(Id::Table, None, "table", Some("NAME"), DATABASE, "the history's table, profile sqlite only [_sqlx_migrations]"),
    flag(Id::DatabasesFrom, None, "databases-from", Some("FILE"), SEVERAL, "the databases, one a line; - is stdin"),
    flag(Id::Null, Some('0'), "null", None, SEVERAL, "the names in that list end in NUL"),
    flag(Id::FailFast, None, "fail-fast", None, SEVERAL, "stop at the first database that fails"),
    flag(Id::LockWait, None, "lock-wait", Some("SECONDS"), DATABASE, "how long to wait for a locked database [5]"),
    flag(Id::Timeout, None, "timeout", Some("SECONDS"), DATABASE, "how long the whole run may last [for ever]"),
    flag(Id::DryRun, None, "dry-run", None, FOR_SHOW, "tell what would be done, and change nothing"),
    flag(Id::SingleTransaction, None, "single-transaction", None, RUNNING, "apply all pending migrations or none"),
    flag(Id::Backup, None, "backup", Some("FILE|DIR/"), RUNNING, "first make a checked copy, if anything is pending"),
    flag(Id::Keep, None, "keep", Some("N"), RUNNING, "how many copies of a database --backup DIR/ keeps"),
    flag(Id::Verify, None, "verify", None, RUNNING, "first look whether the database is damaged"),
    flag(Id::AllowCascade, None, "allow-cascade", None, RUNNING, "DROP TABLE, REPLACE may take rows of other tables along"),
    flag(Id::Strict, None, "strict", None, STRICT, "a warning about a script refuses it"),
    flag(Id::OutOfOrder, None, "out-of-order", Some("warn|allow|refuse"), JUDGING, "pending below the newest applied version [warn]"),
    flag(Id::AllowMissing, None, "allow-missing", None, REFUSING, "applied versions may have no file"),
    flag(Id::AllowNewer, None, "allow-newer", None, REFUSING, "the database may be newer than the files"),
    flag(Id::NoCreate, None, "no-create", None, LOOKING, "the database must exist"),
    flag(Id::NoDotenv, None, "no-dotenv", None, &[], "do not read .env, which SQLPage reads"),
    flag(Id::Optional, None, "optional", None, CONNECTING, "a missing folder of scripts is success"),
    flag(Id::Sequential, None, "sequential", None, NEW, "number as 0001, 0002 …"),
    flag(Id::Timestamp, None, "timestamp", None, NEW, "number as YYYYMMDDHHMMSS, UTC"),
    flag(Id::Reversible, None, "reversible", None, NEW, "create .up.sql and .down.sql"),
    flag(Id::Force, None, "force", None, BASELINE, "record them in a database without tables, too"),
    flag(Id::LineEndings, None, "line-endings", None, REPAIR, "all that differ in line endings, BOM or last newline"),
    flag(Id::Renumbered, None, "renumbered", None, REPAIR, "all that were applied under another number"),
    flag(Id::Drift, None, "drift", None, CHECK, "compare the schema with what the migrations make"),
    flag(Id::Long, None, "long", None, STATUS, "whole names, however narrow the terminal is"),
    flag(Id::From, None, "from", Some("TOOL"), IMPORT, "whose scripts they are [what the folder shows]"),
    flag(Id::Ignore, None, "ignore", Some("GLOB"), CHECK, "with --drift: pass over what has such a name; repeatable"),
    flag(Id::FolderChecksum, None, "folder-checksum", Some("HEX"), JUDGING, "refuse all but this set of scripts (status -v prints it)"),
    flag(Id::Quiet, Some('q'), "quiet", None, &[], "print errors only"),
    flag(Id::Verbose, Some('v'), "verbose", None, &[], "say what is used, what begins, and if all is done"),
    flag(Id::Json, None, "json", None, &[], "print one JSON object on stdout"),
    flag(Id::Color, None, "color", Some("auto|always|never"), &[], "colours [auto]"),
    flag(Id::Generate, None, "generate", Some("man|bash|zsh|fish|rust"), &[], "print the man page, completions, scripts to embed"),
    flag(Id::Help, Some('h'), "help", None, &[], "short help; --help: long help"),
    flag(Id::Version, Some('V'), "version", None, &[], "print the versions of litemigrate and SQLite"),
];

/// What `help exit-codes` prints.
pub(crate) const EXIT_CODES: &str = "   0  done, or nothing to do
   1  a migration script failed and was rolled back
   3  check: migrations are pending
   4  the database is newer than the files (a downgrade)
  64  the command line is wrong
  65  a script or its name is unusable, or files and history disagree
  66  no such migrations directory, or no such database where one must exist
  70  litemigrate itself is at fault: please report it
  73  the database, the backup or the new migration cannot be created
  74  input/output error, disk full, database damaged
  75  locked or out of time: trying again may help
  77  no permission, read-only
  78  the configuration is wrong
";

/// What the program does, as the man page has it.
pub(crate) const SUMMARY: &str = "apply SQL migration files to a SQLite database";

/// When this version was made, for the man page.
pub(crate) const RELEASED: &str = "2026-11-23";

/// The variables of the environment that are read, besides SQLPage's settings.
#[rustfmt::skip]
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("CONFIGURATION_DIRECTORY, SQLPAGE_CONFIGURATION_DIRECTORY", "SQLPage's configuration directory"),
    ("DATABASE_URL, SQLPAGE_DATABASE_URL", "the database"),
    ("SQLITE_EXTENSIONS, SQLPAGE_SQLITE_EXTENSIONS", "extensions to load, separated by spaces"),
    ("SQLITE_TMPDIR", "where SQLite makes temporary files [/var/tmp, /tmp]"),
    ("COLUMNS", "how wide the terminal is, if it does not tell [80]"),
    ("NO_COLOR", "if it is not empty: no colours"),
    ("JOURNAL_STREAM", "by which systemd says that stderr is the journal"),
    ("NOTIFY_SOCKET", "where systemd wants to hear how far a long run is"),
];

/// The first things that a person would type.
#[rustfmt::skip]
pub(crate) const EXAMPLES: &[(&str, &str)] = &[
    ("litemigrate", "apply what is pending in ./sqlpage/migrations, as SQLPage would"),
    ("litemigrate -m migrations -D app.db", "the same for any folder and any database"),
    ("litemigrate check -q -m migrations -D app.db", "exit with 3 if anything is pending"),
    ("litemigrate new \"create users\"", "make the next file"),
    ("litemigrate --dry-run", "tell what would be done, and do nothing"),
];
