//! The program: argv in, text out, exit code.
//!
//! Owns everything that prints, exits or reads argv. Decides nothing that the rooms
//! below it decide.

pub(crate) mod arguments;
mod commands;
mod exit_codes;
mod report;

use arguments::parse::{self, Arguments, Misuse};
use arguments::table::is_command;
use report::Report;
use std::io::{self, Write};
use std::process::ExitCode;

/// All of it.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        let _ = writeln!(
            io::stderr(),
            "litemigrate: this is a bug in litemigrate, please report it: {info}"
        );
        std::process::exit(70);
    }));
    let arguments = match parse::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(wrong) => return usage_error(&wrong),
    };
    let mut report = Report::new(&arguments);
    let code = commands::run(&arguments, &mut report);
    ExitCode::from(report.finish(code))
}

/// Whether a command line can be understood, or why not, in one line; for the fuzzer.
///
/// # Errors
///
/// The line.
pub fn parses(words: impl IntoIterator<Item = std::ffi::OsString>) -> Result<(), String> {
    parse::parse(words)
        .map(|_| ())
        .map_err(|wrong| wrong.message)
}

fn usage_error(wrong: &Misuse) -> ExitCode {
    let words = || std::env::args_os().skip(1);
    // As far as it was understood; after that a word that is a command, if there is one.
    let command = wrong.command.clone().or_else(|| {
        let words = words().filter_map(|word| word.into_string().ok());
        words.into_iter().find(|word| is_command(word))
    });
    let mut report = Report::new(&Arguments {
        json: words().any(|word| word == "--json"),
        ..Arguments::default()
    });
    report.usage(&wrong.message, command);
    ExitCode::from(report.finish(64))
}
