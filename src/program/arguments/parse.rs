//! argv becomes a [`Command`].
//!
//! Only records what was typed. Opens nothing, reads no environment, prints
//! nothing: `--help` works on a broken machine.

use crate::files::foreign::Tool;
use crate::files::migration::Checksum;
use crate::operations::create::Numbering;
use crate::plan::Policy;
use crate::program::arguments::help::{command_help, manual, short_help};
use crate::program::arguments::nearest::unknown;
use crate::program::arguments::operands::make_command;
use crate::program::arguments::table::{COMMANDS, CommandHelp, FLAGS, Flag, Id, Name};
use crate::program::arguments::values::{generated, set};
use crate::program::arguments::words::{command_for, option_for};
use crate::schema::history_table::HistoryTable;
use crate::sqlpage::project::Profile;
use lexopt::{Arg, Parser};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// What was typed.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) command: Command,
    pub(crate) config_dir: Option<PathBuf>,
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) profile: Option<Profile>,
    pub(crate) migrations: Option<PathBuf>,
    /// Every `--database`, in order.
    pub(crate) databases: Vec<OsString>,
    pub(crate) databases_from: Option<PathBuf>,
    pub(crate) vfs: Option<String>,
    pub(crate) table: Option<HistoryTable>,
    /// The list's names end in NUL, not in newlines.
    pub(crate) null: bool,
    pub(crate) fail_fast: bool,
    pub(crate) to: Option<i64>,
    pub(crate) lock_wait: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) dry_run: bool,
    pub(crate) single_transaction: bool,
    pub(crate) backup: Option<PathBuf>,
    pub(crate) keep: Option<usize>,
    pub(crate) verify: bool,
    pub(crate) allow_cascade: bool,
    pub(crate) strict: bool,
    pub(crate) policy: Policy,
    pub(crate) no_create: bool,
    pub(crate) no_dotenv: bool,
    pub(crate) optional: bool,
    pub(crate) numbering: Numbering,
    pub(crate) reversible: bool,
    pub(crate) force: bool,
    pub(crate) line_endings: bool,
    pub(crate) renumbered: bool,
    pub(crate) drift: bool,
    pub(crate) long: bool,
    pub(crate) from: Option<Tool>,
    /// Every `--ignore`, in order.
    pub(crate) ignore: Vec<String>,
    pub(crate) folder_checksum: Option<Checksum>,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    pub(crate) json: bool,
    pub(crate) color: Color,
}

impl Arguments {
    /// Whether there may be more databases than one.
    pub(crate) fn is_for_several(&self) -> bool {
        self.databases.len() > 1 || self.databases_from.is_some()
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Command {
    #[default]
    Up,
    Status,
    Check,
    New(String),
    Down,
    /// Up to this version, or what another tool's history says.
    Baseline(Option<i64>),
    Repair(Vec<i64>),
    Schema,
    Restore(PathBuf),
    Import(PathBuf),
    /// Print this text.
    Print(String),
    /// Print the folder as a list that a Rust program embeds.
    Embed,
}

impl Command {
    /// The word that names it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Status => "status",
            Self::Check => "check",
            Self::New(_) => "new",
            Self::Down => "down",
            Self::Baseline(_) => "baseline",
            Self::Repair(_) => "repair",
            Self::Schema => "schema",
            Self::Restore(_) => "restore",
            Self::Import(_) => "import",
            Self::Print(_) | Self::Embed => "help",
        }
    }
}

/// Why a command line is not understood.
#[derive(Debug)]
pub(crate) struct Misuse {
    /// One sentence.
    pub(crate) message: String,
    /// The command as it was typed, if it was before that was noticed.
    pub(crate) command: Option<String>,
}

/// Reads the arguments, without the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, Misuse> {
    let mut typed = None;
    parse_words(arguments, &mut typed).map_err(|message| Misuse {
        message,
        command: typed,
    })
}

fn parse_words(
    arguments: impl IntoIterator<Item = OsString>,
    typed: &mut Option<String>,
) -> Result<Arguments, String> {
    let mut parser = Parser::from_args(arguments);
    let mut parsed = Arguments::default();
    let mut command: Option<&CommandHelp> = None;
    let mut operands: Vec<OsString> = Vec::new();
    let mut used: Vec<&Flag> = Vec::new();
    // Whether long help is wanted, once any help is.
    let mut help: Option<bool> = None;
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let (flag, is_long) = match argument {
            Arg::Value(value) => {
                if command.is_some() {
                    operands.push(value);
                } else {
                    let word = typed.insert(value.to_string_lossy().into_owned());
                    command = Some(find_command(word)?);
                }
                continue;
            }
            Arg::Short(digit @ '0'..='9') if digit != '0' => {
                return Err(format!(
                    "there is no option -{digit}; a version that begins with - goes after --"
                ));
            }
            Arg::Short(short) => (
                find_flag(&short.to_string(), |flag| flag.short == Some(short))?,
                false,
            ),
            Arg::Long(long) => (find_flag(long, |flag| flag.long == long)?, true),
        };
        used.push(flag);
        match flag.id {
            Id::Help => help = Some(help.unwrap_or(false) || is_long),
            Id::Version => parsed.command = Command::Print(version()),
            Id::Generate => parsed.command = generated(flag, &mut parser)?,
            _ => set(&mut parsed, flag, &mut parser)?,
        }
    }
    let help_text = help.map(|is_long| match (command, is_long) {
        (Some(command), _) => command_help(command),
        (None, true) => manual(),
        (None, false) => short_help(),
    });
    if let Some(text) = help_text {
        parsed.command = Command::Print(text);
    }
    if matches!(parsed.command, Command::Print(_) | Command::Embed) {
        return Ok(parsed);
    }
    let command = command.unwrap_or(&COMMANDS[0]);
    refuse_what_does_not_fit(&parsed, command, &used)?;
    parsed.command = make_command(command, operands, &parsed)?;
    Ok(parsed)
}

/// Options that do not go with the command, or not with each other.
fn refuse_what_does_not_fit(
    parsed: &Arguments,
    command: &CommandHelp,
    used: &[&Flag],
) -> Result<(), String> {
    if let Some(flag) = used.iter().find(|flag| !flag.goes_with(command)) {
        return Err(format!(
            "--{} does not go with the command {}",
            flag.long, command.word
        ));
    }
    if parsed.databases.len() > 1 && !command.takes_several() {
        return Err(format!("{} takes one --database only", command.word));
    }
    if parsed.keep.is_some() && parsed.backup.is_none() {
        return Err("--keep goes with --backup DIR/".to_owned());
    }
    if !parsed.ignore.is_empty() && !parsed.drift {
        return Err("--ignore goes with --drift".to_owned());
    }
    let profile = Profile::chosen(parsed.profile, parsed.migrations.as_deref());
    let is_another = parsed
        .table
        .as_ref()
        .is_some_and(|table| *table != HistoryTable::default());
    if is_another && profile == Profile::Sqlpage && command.name != Name::Restore {
        return Err("--table goes with -m or --profile sqlite: SQLPage looks into _sqlx_migrations and no other table".to_owned());
    }
    if parsed.null && parsed.databases_from.is_none() {
        return Err("--null goes with --databases-from".to_owned());
    }
    Ok(())
}

fn find_command(word: &str) -> Result<&'static CommandHelp, String> {
    let found = COMMANDS.iter().find(|command| command.word == word);
    found.ok_or_else(|| {
        unknown(
            "command",
            "",
            word,
            command_for(word),
            COMMANDS.iter().map(|command| command.word),
        )
    })
}

fn find_flag(word: &str, is_it: impl Fn(&Flag) -> bool) -> Result<&'static Flag, String> {
    let found = FLAGS.iter().find(|flag| is_it(flag));
    let dashes = if word.chars().count() == 1 { "-" } else { "--" };
    found.ok_or_else(|| {
        unknown(
            "option",
            dashes,
            word,
            option_for(word),
            FLAGS.iter().map(|flag| flag.long),
        )
    })
}

fn version() -> String {
    // SQLPage's SQLite has these functions; a build without this project's
    // .cargo/config.toml lacks them.
    let math = rusqlite::Connection::open_in_memory()
        .and_then(|connection| connection.query_row("SELECT sqrt(1)", [], |_| Ok(())));
    let lacks = if math.is_ok() {
        ""
    } else {
        ", without math functions"
    };
    format!(
        "litemigrate {} (SQLite {}{lacks})\n",
        env!("CARGO_PKG_VERSION"),
        rusqlite::version()
    )
}

#[cfg(test)]
mod tests {
    use super::{Command, Misuse, parse};
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    /// Every command line of up to four words out of a nasty vocabulary either
    /// parses or says why not in one line.
    #[test]
    fn every_short_command_line_parses_or_says_why_not() {
        let words: Vec<OsString> = [
            "up",
            "status",
            "new",
            "help",
            "-",
            "--",
            "",
            "--to",
            "--to=x",
            "-1",
            "-vq",
            "-d",
            "-D=a",
            "--json",
            "--color=never",
            "-h",
            "--nonsense",
        ]
        .into_iter()
        .map(OsString::from)
        .chain([
            OsString::from_vec(b"\xff\x1b".to_vec()),
            OsString::from_vec(b"--\xff=".to_vec()),
        ])
        .collect();
        let mut parsed = 0;
        for number in 0..(words.len() + 1).pow(4) {
            let line = (0..4).filter_map(|place| {
                let choice = number / (words.len() + 1).pow(place) % (words.len() + 1);
                words.get(choice).cloned()
            });
            match parse(line) {
                Ok(_) => parsed += 1,
                Err(Misuse { message, .. }) => assert!(
                    !message.is_empty() && !message.contains(['\n', '\u{1b}']),
                    "{message:?}"
                ),
            }
        }
        assert!(parsed > 1000);
    }

    #[test]
    fn a_bare_command_line_is_up() {
        assert_eq!(parse([]).unwrap().command, Command::Up);
    }

    #[test]
    fn a_typo_is_answered_with_the_nearest_word() {
        let message = |word: &str| parse([OsString::from(word)]).unwrap_err().message;
        assert_eq!(
            message("stauts"),
            "there is no command stauts; did you mean status?"
        );
        assert_eq!(
            message("--josn"),
            "there is no option --josn; did you mean --json?"
        );
        assert_eq!(
            message("--databse=x"),
            "there is no option --databse; did you mean --database?"
        );
        // What it means elsewhere comes before what is spelt like it.
        assert_eq!(message("run"), "there is no command run; did you mean up?");
        assert_eq!(
            message("--url=x"),
            "there is no option --url; did you mean --database (-D)?"
        );
        assert_eq!(
            message("xyzzy"),
            "there is no command xyzzy; see litemigrate --help"
        );
        assert_eq!(
            message("-x"),
            "there is no option -x; see litemigrate --help"
        );
    }
}
