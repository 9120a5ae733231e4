//! What happened becomes lines for people, or one JSON object.
//!
//! Owns what the object holds, and what is said of any command. What is said of each
//! is beside it: `run` of up and down, `history`, `looking`, `failure`; `printing`
//! owns the streams.

mod advice;
mod failure;
mod history;
mod import;
mod json;
mod live;
mod looking;
mod objects;
mod printing;
mod run;
mod terminal;

use crate::database::limits::Heartbeat;
use crate::diagnostics::problem::Finding;
use crate::diagnostics::text::{discreet, shown};
use crate::program::arguments::parse::Arguments;
use json::Json;
use objects::path;
use printing::{Printer, written};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Collects what happened, and tells people at once.
#[derive(Default)]
pub(crate) struct Report {
    printer: Printer,
    /// The command's word, as it was typed.
    command: String,
    dry_run: bool,
    /// How many of several databases have been told of.
    several: Option<usize>,
    has_applied: bool,
    /// The scripts that have drawn a warning which says how to write them.
    warned_of: BTreeSet<PathBuf>,
    has_applied_with_warning: bool,
    /// A script was passed over in a run for show.
    was_not_run: bool,
    /// When `--verbose` last told how far a script is.
    told: Option<Instant>,
    database: Option<PathBuf>,
    /// The fields that only some commands have.
    fields: Vec<(&'static str, Json)>,
    applied: Vec<Json>,
    /// What was undone, or would be done in a dry run.
    others: Vec<Json>,
    warnings: Vec<Json>,
    problems: Vec<Json>,
    error: Option<Json>,
    /// Why the result of a command whose work is output was not written.
    lost: Option<io::Error>,
}

impl Report {
    /// For a command line that was understood.
    pub(crate) fn new(arguments: &Arguments) -> Self {
        Self {
            printer: Printer::new(arguments),
            command: arguments.command.word().to_owned(),
            dry_run: arguments.dry_run,
            ..Self::default()
        }
    }

    /// A report about one of several databases, whose lines begin with its name.
    pub(crate) fn one_of_several(&self, name: &Path) -> Self {
        Self {
            printer: self.printer.one_of_several(name),
            command: self.command.clone(),
            dry_run: self.dry_run,
            database: Some(name.to_owned()),
            ..Self::default()
        }
    }

    /// Whether a run with nothing to do says so.
    pub(crate) fn talks_when_idle(&self) -> bool {
        self.printer.talks_when_idle()
    }

    /// What is to be called while scripts run.
    pub(crate) fn heartbeat(&self) -> Option<Heartbeat> {
        self.printer.heartbeat()
    }

    /// Names the database that the run is about; it may need none.
    pub(crate) fn database(&mut self, path: &Path) {
        self.database = (!path.as_os_str().is_empty()).then(|| path.to_owned());
    }

    /// What `--verbose` says about where things are.
    pub(crate) fn using(&mut self, migrations: &Path) {
        if self.printer.verbose {
            self.printer
                .say(&format!("migrations: {}", shown(migrations)));
            if let Some(database) = &self.database {
                self.printer.say(&format!("database: {}", shown(database)));
            }
        }
    }

    /// Says that this is about several databases, even if the list is empty.
    pub(crate) fn several(&mut self) {
        self.several = Some(0);
        if self.printer.json {
            // Of ten thousand databases none is kept: the object is written as it grows.
            let mut fields = self.head();
            fields.append(&mut self.fields);
            let object = Json::Object(fields).to_string();
            let open = object.strip_suffix('}').unwrap_or(&object);
            let _ = written(&format!("{open},\"databases\":["));
        }
    }

    fn head(&self) -> Vec<(&'static str, Json)> {
        vec![
            ("format", Json::Integer(1)),
            ("command", Json::from(discreet(&self.command).into_owned())),
        ]
    }

    /// Writes the report of one of several databases, as a part of this one.
    pub(crate) fn add(&mut self, mut one: Self, exit: u8) {
        if let (true, Some(several)) = (self.printer.json, &mut self.several) {
            let comma = if *several > 0 { "," } else { "" };
            *several += 1;
            let _ = written(&format!("{comma}{}", Json::Object(one.object(exit))));
        }
    }

    /// Something that a person should know.
    pub(crate) fn warning(&mut self, warning: &Finding) {
        self.warnings.push(objects::finding(warning));
        self.was_not_run |= warning.kind == "not-run";
        // What refuses is no warning, but the error.
        let refuses = self.printer.strict && warning.refuses_if_strict();
        if !self.printer.quiet || refuses {
            self.printer.warning(&format!("warning: {warning}"));
        }
    }

    /// Things that a person should know.
    pub(crate) fn warnings(&mut self, warnings: &[Finding]) {
        warnings.iter().for_each(|warning| self.warning(warning));
    }

    /// A help text or a version.
    pub(crate) fn print(&mut self, text: &str) {
        if self.printer.json {
            self.fields.push(("text", Json::from(text)));
        } else {
            self.write_result(text);
        }
    }

    /// Writes what the command is for: if that is lost, it has failed.
    fn write_result(&mut self, text: &str) {
        self.lost = written(text).err();
    }

    /// A command line that was not understood, and its command, if it has one.
    pub(crate) fn usage(&mut self, message: &str, command: Option<String>) {
        if let Some(command) = command {
            self.command = command;
        }
        self.printer.error(message);
        self.error = Some(objects::error(
            "usage",
            message.to_owned(),
            None,
            None,
            None,
        ));
    }

    /// The end of the run: the JSON object, if one was asked for. Gives back the exit
    /// code, which is another if the result of a command could not be written.
    pub(crate) fn finish(mut self, exit: u8) -> u8 {
        if self.printer.json {
            self.write_object(exit);
        }
        match self.lost {
            Some(error) if exit == 0 => {
                self.printer.error(&format!(
                    "the output could not be written: {error}: make room, or name another file"
                ));
                LOST_OUTPUT
            }
            _ => exit,
        }
    }

    /// Writes the JSON object, or what is left of it; an error matters only where output
    /// is the work.
    fn write_object(&mut self, exit: u8) {
        let text = if self.several.is_some() {
            let object = Json::Object(self.object(exit)).to_string();
            format!("],{}\n", object.strip_prefix('{').unwrap_or(&object))
        } else {
            let mut fields = self.head();
            fields.extend(self.object(exit));
            format!("{}\n", Json::Object(fields))
        };
        let lost = written(&text).err();
        if ["schema", "help"].contains(&self.command.as_str()) {
            self.lost = lost;
        }
    }

    /// What there is to say about one database, or about all.
    fn object(&mut self, exit: u8) -> Vec<(&'static str, Json)> {
        let mut fields = vec![
            (
                "database",
                self.database.as_deref().map_or(Json::Null, path),
            ),
            ("exit", Json::Integer(i64::from(exit))),
        ];
        fields.append(&mut self.fields);
        match (self.command.as_str(), self.dry_run) {
            ("up", true) => fields.push(("would_apply", list(&mut self.others))),
            ("down", true) => fields.push(("would_undo", list(&mut self.others))),
            ("down", false) => fields.push(("undone", list(&mut self.others))),
            _ => {}
        }
        fields.push(("applied", list(&mut self.applied)));
        let told = [
            ("problems", list(&mut self.problems)),
            ("warnings", list(&mut self.warnings)),
            ("error", self.error.take().unwrap_or(Json::Null)),
        ];
        let completed = |(name, value)| (name, self.printer.completed(value));
        fields.extend(told.into_iter().map(completed));
        fields
    }
}

/// The exit code if the output was the work, and is lost.
const LOST_OUTPUT: u8 = 74;

fn list(collected: &mut Vec<Json>) -> Json {
    Json::Array(std::mem::take(collected))
}

fn database_is_at(newest: Option<i64>) -> String {
    match newest {
        Some(version) => format!("the database is at version {version}"),
        None => "the database holds no migration".to_owned(),
    }
}
