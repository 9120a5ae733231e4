//! argv becomes a [`Command`].
//!
//! Only records what was typed. Opens nothing, reads no environment, prints
//! nothing: `--help` works on a broken machine.

use crate::diagnostics::text::escape;
use crate::operations::create::Numbering;
use crate::plan::OutOfOrder;
use crate::program::arguments::generate;
use crate::program::arguments::help::{command_help, general_help, help_on};
use crate::program::arguments::nearest::unknown;
use crate::program::arguments::table::{COMMANDS, CommandHelp, FLAGS, Flag, Id, Name};
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

/// How connections behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As SQLPage's own.
    Sqlpage,
    /// As stock SQLite.
    Sqlite,
}

/// What was typed.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub command: Command,
    pub config_dir: Option<PathBuf>,
    pub config_file: Option<PathBuf>,
    pub profile: Option<Profile>,
    pub migrations: Option<PathBuf>,
    /// Every `--database`, in order.
    pub databases: Vec<OsString>,
    pub databases_from: Option<PathBuf>,
    pub vfs: Option<String>,
    /// The list's names end in NUL, not in newlines.
    pub null: bool,
    pub fail_fast: bool,
    pub to: Option<i64>,
    pub lock_wait: Option<Duration>,
    pub timeout: Option<Duration>,
    pub dry_run: bool,
    pub single_transaction: bool,
    pub backup: Option<PathBuf>,
    pub allow_cascade: bool,
    pub policy: crate::plan::Policy,
    pub no_create: bool,
    pub optional: bool,
    pub numbering: Numbering,
    pub reversible: bool,
    pub force: bool,
    pub line_endings: bool,
    pub drift: bool,
    pub quiet: bool,
    pub verbose: bool,
    pub json: bool,
    pub color: Color,
}

impl Arguments {
    /// Whether there may be more databases than one.
    pub fn is_for_several(&self) -> bool {
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
    Baseline(i64),
    Repair(Vec<i64>),
    Schema,
    Restore(PathBuf),
    /// Print this text.
    Print(String),
}

impl Command {
    /// The word that names it.
    pub fn word(&self) -> &'static str {
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
            Self::Print(_) => "help",
        }
    }
}

/// Reads the arguments, without the program's name. The error is a sentence.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, String> {
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
                    command = Some(find_command(&value.to_string_lossy())?);
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
            Id::Generate => parsed.command = Command::Print(generated(flag, &mut parser)?),
            _ => set(&mut parsed, flag, &mut parser)?,
        }
    }
    let help_text = help.map(|long| match command {
        Some(command) => command_help(command),
        None => general_help(long),
    });
    if let Some(text) = help_text {
        parsed.command = Command::Print(text);
    }
    if matches!(parsed.command, Command::Print(_)) {
        return Ok(parsed);
    }
    let command = command.unwrap_or(&COMMANDS[0]);
    if let Some(flag) = used.iter().find(|flag| !flag.goes_with(command)) {
        return Err(format!(
            "--{} does not go with the command {}",
            flag.long, command.word
        ));
    }
    if parsed.databases.len() > 1 && !command.takes_several() {
        return Err(format!("{} takes one --database only", command.word));
    }
    if parsed.backup.is_some() && parsed.is_for_several() {
        return Err("--backup names one file, and goes with one database".to_owned());
    }
    if parsed.null && parsed.databases_from.is_none() {
        return Err("--null goes with --databases-from".to_owned());
    }
    parsed.command = make_command(command, operands, parsed.line_endings)?;
    Ok(parsed)
}

fn find_command(word: &str) -> Result<&'static CommandHelp, String> {
    let found = COMMANDS.iter().find(|command| command.word == word);
    found.ok_or_else(|| {
        unknown(
            "command",
            "",
            word,
            COMMANDS.iter().map(|command| command.word),
        )
    })
}

fn find_flag(word: &str, is_it: impl Fn(&Flag) -> bool) -> Result<&'static Flag, String> {
    let found = FLAGS.iter().find(|flag| is_it(flag));
    let dashes = if word.chars().count() == 1 { "-" } else { "--" };
    found.ok_or_else(|| unknown("option", dashes, word, FLAGS.iter().map(|flag| flag.long)))
}

fn make_command(
    command: &CommandHelp,
    operands: Vec<OsString>,
    line_endings: bool,
) -> Result<Command, String> {
    if command.name == Name::Repair {
        return make_repair(operands, line_endings);
    }
    let mut operands = operands.into_iter();
    let first = operands.next();
    let made = match (command.name, first) {
        (Name::New, None) => {
            return Err("new needs a name: litemigrate new \"create users\"".to_owned());
        }
        (Name::New, Some(name)) if name.is_empty() => {
            return Err("new needs a name that is not empty".to_owned());
        }
        (Name::New, Some(name)) => Command::New(text(name)?),
        (Name::Restore, None) => return Err("restore needs the file of a backup".to_owned()),
        (Name::Restore, Some(file)) => Command::Restore(PathBuf::from(file)),
        (Name::Help, topic) => {
            let topic = topic.map(text).transpose()?;
            Command::Print(help_on(topic.as_deref())?)
        }
        (Name::Baseline, None) => {
            return Err("baseline needs a version: litemigrate baseline 7".to_owned());
        }
        (Name::Baseline, Some(operand)) => Command::Baseline(version_operand(operand)?),
        (Name::Repair, _) => Command::Repair(Vec::new()),
        (Name::Up | Name::Status | Name::Check | Name::Down | Name::Schema, Some(operand)) => {
            let operand = operand.to_string_lossy();
            return Err(format!(
                "{} takes no operand, and '{}' is one",
                command.word,
                escape(&operand)
            ));
        }
        (Name::Up, None) => Command::Up,
        (Name::Status, None) => Command::Status,
        (Name::Check, None) => Command::Check,
        (Name::Down, None) => Command::Down,
        (Name::Schema, None) => Command::Schema,
    };
    match operands.next() {
        Some(operand) => Err(format!(
            "'{}' is one operand too many (quote a name with spaces)",
            escape(&operand.to_string_lossy())
        )),
        None => Ok(made),
    }
}

fn make_repair(operands: Vec<OsString>, line_endings: bool) -> Result<Command, String> {
    if operands.is_empty() != line_endings {
        return Err(
            "repair needs either versions or --line-endings: litemigrate repair 7".to_owned(),
        );
    }
    let versions = operands.into_iter().map(version_operand);
    versions.collect::<Result<_, _>>().map(Command::Repair)
}

fn version_operand(operand: OsString) -> Result<i64, String> {
    let text = text(operand)?;
    let wrong = || format!("'{}' is not a version, such as 7", escape(&text));
    text.parse().map_err(|_| wrong())
}

fn text(operand: OsString) -> Result<String, String> {
    let shown =
        |operand: OsString| format!("'{}' is not UTF-8", escape(&operand.to_string_lossy()));
    operand.into_string().map_err(shown)
}

/// Records a flag that is neither help nor version, reading its value if it has one.
fn set(parsed: &mut Arguments, flag: &Flag, parser: &mut Parser) -> Result<(), String> {
    let value = match flag.value {
        Some(_) => value_of(flag, parser)?,
        None => OsString::new(),
    };
    let wrong = |expected: &str| {
        let typed = value.to_string_lossy();
        format!(
            "--{} must be {expected}, not '{}'",
            flag.long,
            escape(&typed)
        )
    };
    let text = value.to_str().unwrap_or_default();
    match flag.id {
        Id::ConfigDir => parsed.config_dir = Some(not_empty(flag, value)?.into()),
        Id::ConfigFile => parsed.config_file = Some(not_empty(flag, value)?.into()),
        Id::Profile => {
            parsed.profile = match text {
                "sqlpage" => Some(Profile::Sqlpage),
                "sqlite" => Some(Profile::Sqlite),
                _ => return Err(wrong("sqlpage or sqlite")),
            };
        }
        Id::Migrations => parsed.migrations = Some(not_empty(flag, value)?.into()),
        Id::Database => parsed.databases.push(not_empty(flag, value)?),
        Id::Vfs => {
            let name = value
                .to_str()
                .filter(|name| !name.contains('\0') && !name.is_empty());
            parsed.vfs = Some(name.ok_or_else(|| wrong("a name"))?.to_owned());
        }
        Id::DatabasesFrom => parsed.databases_from = Some(not_empty(flag, value)?.into()),
        Id::Null => parsed.null = true,
        Id::FailFast => parsed.fail_fast = true,
        Id::To => parsed.to = Some(text.parse().map_err(|_| wrong("a version, such as 7"))?),
        Id::LockWait => {
            parsed.lock_wait = Some(seconds(text).ok_or_else(|| wrong("a number of seconds"))?)
        }
        Id::Timeout => {
            parsed.timeout = Some(seconds(text).ok_or_else(|| wrong("a number of seconds"))?);
        }
        Id::DryRun => parsed.dry_run = true,
        Id::SingleTransaction => parsed.single_transaction = true,
        Id::Backup => parsed.backup = Some(not_empty(flag, value)?.into()),
        Id::AllowCascade => parsed.allow_cascade = true,
        Id::OutOfOrder => {
            parsed.policy.out_of_order = match text {
                "warn" => OutOfOrder::Warn,
                "allow" => OutOfOrder::Allow,
                "refuse" => OutOfOrder::Refuse,
                _ => return Err(wrong("warn, allow or refuse")),
            };
        }
        Id::AllowMissing => parsed.policy.allow_missing = true,
        Id::AllowNewer => parsed.policy.allow_newer = true,
        Id::NoCreate => parsed.no_create = true,
        Id::Optional => parsed.optional = true,
        Id::Sequential => parsed.numbering = Numbering::Sequential,
        Id::Timestamp => parsed.numbering = Numbering::Timestamp,
        Id::Reversible => parsed.reversible = true,
        Id::Force => parsed.force = true,
        Id::LineEndings => parsed.line_endings = true,
        Id::Drift => parsed.drift = true,
        Id::Quiet => parsed.quiet = true,
        Id::Verbose => parsed.verbose = true,
        Id::Json => parsed.json = true,
        Id::Color => {
            parsed.color = match text {
                "auto" => Color::Auto,
                "always" => Color::Always,
                "never" => Color::Never,
                _ => return Err(wrong("auto, always or never")),
            };
        }
        Id::Help | Id::Version | Id::Generate => {}
    }
    Ok(())
}

fn value_of(flag: &Flag, parser: &mut Parser) -> Result<OsString, String> {
    parser
        .value()
        .map_err(|_| format!("--{} needs a value", flag.long))
}

fn generated(flag: &Flag, parser: &mut Parser) -> Result<String, String> {
    match value_of(flag, parser)?.to_str() {
        Some("man") => Ok(generate::man()),
        Some("bash") => Ok(generate::bash()),
        Some("zsh") => Ok(generate::zsh()),
        Some("fish") => Ok(generate::fish()),
        _ => Err(format!("--{} must be man, bash, zsh or fish", flag.long)),
    }
}

fn not_empty(flag: &Flag, value: OsString) -> Result<OsString, String> {
    if value.is_empty() {
        return Err(format!("--{} must not be empty", flag.long));
    }
    Ok(value)
}

/// Seconds, whole or decimal; SQLite counts milliseconds in 31 bits.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || !has_digit {
        return None;
    }
    let milliseconds = format!("{fraction:0<3.3}").parse().ok()?;
    let whole = match whole {
        "" => 0,
        whole => whole.parse().ok()?,
    };
    let seconds = Duration::from_secs(whole) + Duration::from_millis(milliseconds);
    (whole <= 2_000_000).then_some(seconds)
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
    use super::{Command, parse};
    use crate::program::arguments::table::{COMMANDS, FLAGS};
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
                Err(message) => assert!(
                    !message.is_empty() && !message.contains(['\n', '\u{1b}']),
                    "{message:?}"
                ),
            }
        }
        assert!(parsed > 1000);
    }

    #[test]
    fn seconds_are_whole_or_decimal() {
        let milliseconds = |text| super::seconds(text).map(|seconds| seconds.as_millis());
        for (text, expected) in [
            ("5", 5000),
            ("0.25", 250),
            (".5", 500),
            ("1.", 1000),
            ("0.12345", 123),
            ("2000000", 2_000_000_000),
        ] {
            assert_eq!(milliseconds(text), Some(expected), "{text}");
        }
        for text in [
            "",
            ".",
            "-1",
            "1e3",
            "inf",
            "2000001",
            "99999999999999999999",
            "5s",
            "1.2.3",
            "١",
        ] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }

    #[test]
    fn a_bare_command_line_is_up() {
        assert_eq!(parse([]).unwrap().command, Command::Up);
    }

    #[test]
    fn a_typo_is_answered_with_the_nearest_word() {
        let message = |word: &str| parse([OsString::from(word)]).unwrap_err();
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
        assert_eq!(
            message("xyzzy"),
            "there is no command xyzzy; see litemigrate --help"
        );
        assert_eq!(
            message("-x"),
            "there is no option -x; see litemigrate --help"
        );
    }

    #[test]
    fn help_fits_a_terminal_and_names_everything() {
        let Command::Print(help) = parse([OsString::from("--help")]).unwrap().command else {
            panic!()
        };
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{help}"
        );
        assert!(COMMANDS.iter().all(|command| help.contains(command.word)));
        assert!(
            FLAGS
                .iter()
                .all(|flag| help.contains(&format!("--{}", flag.long)))
        );
    }
}
