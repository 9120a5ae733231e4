//! Lines on stdout and stderr.
//!
//! Owns both streams: colours, journald's priorities, who is to be told what. Failing
//! to write a line to them must not stop a migration, and there is nowhere left to say
//! it; only text that is a command's whole work is asked about.

use crate::database::limits::Heartbeat;
use crate::diagnostics::position::Position;
use crate::diagnostics::text::{discreet, shown};
use crate::program::arguments::parse::{Arguments, Color, Command};
use crate::program::report::advice::Advice;
use crate::program::report::json::Json;
use crate::program::report::live::{Listener, Live};
use crate::program::report::terminal;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

/// How serious a line on stderr is, as syslog and journald number it.
#[derive(Clone, Copy)]
enum Severity {
    Error = 3,
    Warning = 4,
}

/// Who listens on the two streams, and how they are spoken to.
#[derive(Default, Clone)]
pub(crate) struct Printer {
    /// What each line begins with, if there are several databases.
    prefix: String,
    /// Commands in messages are to be about the same scripts and database.
    advice: Advice,
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    /// A warning about a script refuses it.
    pub(crate) strict: bool,
    pub(crate) verbose: bool,
    pub(crate) out_is_terminal: bool,
    color_out: bool,
    color_err: bool,
    journal: bool,
    /// Who is told while a script runs, if anybody.
    pub(crate) live: Option<Arc<Live>>,
}

impl Printer {
    /// For a command line that was understood.
    pub(crate) fn new(arguments: &Arguments) -> Self {
        let out_is_terminal = io::stdout().is_terminal();
        let color = |terminal: bool| match arguments.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let unset =
                    |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
                terminal && unset("NO_COLOR") && !terminal::is_dumb()
            }
        };
        let journal = stderr_is_journal();
        let listener = if arguments.quiet {
            Listener::Nobody
        } else if io::stderr().is_terminal() && !terminal::is_dumb() {
            Listener::Terminal
        } else if journal {
            Listener::Log("<6>")
        } else {
            Listener::Log("litemigrate: ")
        };
        let live = match arguments.command {
            Command::Up | Command::Down => Live::new(listener).map(Arc::new),
            _ => None,
        };
        Self {
            prefix: String::new(),
            advice: Advice::new(arguments),
            json: arguments.json,
            quiet: arguments.quiet,
            strict: arguments.strict,
            verbose: arguments.verbose,
            out_is_terminal,
            color_out: color(out_is_terminal),
            color_err: color(io::stderr().is_terminal()),
            journal,
            live,
        }
    }

    /// The same for one of several databases, whose lines begin with its name.
    pub(crate) fn one_of_several(&self, name: &Path) -> Self {
        Self {
            prefix: format!("{}: ", shown(name)),
            advice: self.advice.of_one(name.as_os_str()),
            ..self.clone()
        }
    }

    /// Whether a run with nothing to do says so: to a person, or to a program.
    pub(crate) fn talks_when_idle(&self) -> bool {
        self.out_is_terminal || self.verbose || self.json
    }

    /// What is to be called while scripts run.
    pub(crate) fn heartbeat(&self) -> Option<Heartbeat> {
        let live = self.live.clone()?;
        Some(Heartbeat(Arc::new(move || live.tick())))
    }

    /// Takes the live line away before another line is written.
    fn erase(&self) {
        if let Some(live) = &self.live {
            live.erase();
        }
    }

    /// A line of the result, for people.
    pub(crate) fn say(&self, line: &str) {
        self.erase();
        if !self.json && !self.quiet {
            let line = format!("{}{}\n", self.prefix, self.advice.complete(line));
            let _ = written(&discreet(&line));
        }
    }

    /// What is told of in JSON, in which commands have their options, too.
    pub(crate) fn completed(&self, told: Json) -> Json {
        told.with_strings(&|text| self.advice.complete(text).into_owned())
    }

    /// A line about what is wrong.
    pub(crate) fn error(&self, line: &str) {
        self.complain(Severity::Error, line);
    }

    /// A line about what a person should know.
    pub(crate) fn warning(&self, line: &str) {
        self.complain(Severity::Warning, line);
    }

    fn complain(&self, severity: Severity, line: &str) {
        self.erase();
        let names_it = line.starts_with(&self.prefix);
        let prefix = if names_it { "" } else { &self.prefix };
        let line = format!("{prefix}{}", self.advice.complete(line));
        let line = discreet(&line);
        let color = match severity {
            Severity::Error => 31,
            Severity::Warning => 33,
        };
        if self.journal {
            write_err(&format!("<{}>{line}", severity as u8));
        } else if self.color_err {
            write_err(&format!("\x1b[{color}mlitemigrate:\x1b[0m {line}"));
        } else {
            write_err(&format!("litemigrate: {line}"));
        }
    }

    /// Where something is wrong.
    pub(crate) fn show(&self, position: &Position) {
        position.excerpt().iter().for_each(|line| self.quote(line));
    }

    /// A line that belongs to the error before it.
    pub(crate) fn quote(&self, line: &str) {
        let priority = if self.journal { "<3>" } else { "" };
        write_err(&format!("{priority}{line}"));
    }

    /// For stdout, in a colour by its number if it has colours.
    pub(crate) fn colored(&self, text: &str, color: u8) -> String {
        if self.color_out && !self.json {
            format!("\x1b[{color}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// How many columns of stdout are left beside so many; a program gets all.
    pub(crate) fn columns_left(&self, used: usize) -> usize {
        if !self.out_is_terminal {
            return usize::MAX;
        }
        let used = used + self.prefix.chars().count();
        terminal::columns(io::stdout()).saturating_sub(used).max(10)
    }

    /// A script begins, or something else that may take long.
    pub(crate) fn begin(&self, name: &str) {
        if let Some(live) = &self.live {
            live.begin(&self.prefix, name);
        }
    }
}

/// Text that is the result itself, of which it matters whether it was written. Who
/// closes a pipe has what they wanted.
pub(crate) fn written(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// One line in one system call, so that lines of several processes do not mix.
fn write_err(line: &str) {
    let _ = io::stderr()
        .lock()
        .write_all(format!("{line}\n").as_bytes());
}

/// Whether `JOURNAL_STREAM` names the device and inode of stderr
/// (systemd.exec(5)).
fn stderr_is_journal() -> bool {
    let Some(stream) = std::env::var_os("JOURNAL_STREAM") else {
        return false;
    };
    io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .and_then(|descriptor| File::from(descriptor).metadata())
        .is_ok_and(|metadata| {
            stream.to_str() == Some(&format!("{}:{}", metadata.dev(), metadata.ino()))
        })
}
