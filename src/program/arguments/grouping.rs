//! How the help lists options: in which part, and in which words for which command.
//!
//! Owns these words and parts. Which options there are is the table's.

use crate::program::arguments::table::{CommandHelp, Flag, Id, Name};

impl Flag {
    /// Whether it is one of the command's own, and not the program's.
    pub(crate) fn belongs_to(&self, command: &CommandHelp) -> bool {
        let is_the_programs = self.id.group() == Group::Program || command.name == Name::Help;
        self.goes_with(command) && !is_the_programs
    }

    /// What it does for the command.
    pub(crate) fn wording(&self, command: &CommandHelp) -> &'static str {
        let is_one = self.id == Id::Database && command.name != Name::Import;
        if is_one && !command.takes_several() {
            return "the database [$DATABASE_URL, SQLPage's]";
        }
        let is_it = |(name, id, _): &&(Name, Id, &str)| (*name, *id) == (command.name, self.id);
        WORDINGS
            .iter()
            .find(is_it)
            .map_or(self.help, |(.., wording)| wording)
    }
}

/// What an option does for one command, where its line for all does not tell that.
#[rustfmt::skip]
const WORDINGS: &[(Name, Id, &str)] = &[
    (Name::Up, Id::To, "stop after this version"),
    (Name::Down, Id::To, "undo everything above this version (0: all but 0)"),
    (Name::Down, Id::SingleTransaction, "undo all of them or none"),
    (Name::Down, Id::Backup, "first make a checked copy, if anything is to be undone"),
    (Name::Down, Id::AllowMissing, "versions of the history may have no file"),
    (Name::Up, Id::DryRun, "run everything, tell what it did, and roll back"),
    (Name::Import, Id::Migrations, "the folder that they are written to [<config-dir>/migrations]"),
    (Name::Import, Id::Database, "the database whose history is brought over [none]"),
    (Name::Down, Id::DryRun, "run everything, tell what it did, and roll back"),
];

/// The options of the short help.
pub(crate) const COMMONEST: [Id; 5] = [
    Id::Migrations,
    Id::Database,
    Id::DryRun,
    Id::Backup,
    Id::Verbose,
];

/// The parts in which the options of a command are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Places,
    Doing,
    Care,
    Printing,
    /// Of the program, not of a command.
    Program,
}

/// These parts and their headings.
pub(crate) const GROUPS: [(Group, &str); 5] = [
    (Group::Places, "Where things are"),
    (Group::Doing, "What may happen"),
    (Group::Care, "How careful"),
    (Group::Printing, "What is printed"),
    (Group::Program, "Of the program itself"),
];

impl Id {
    /// The part in which it is listed.
    pub(crate) fn group(self) -> Group {
        match self {
            Self::ConfigDir
            | Self::ConfigFile
            | Self::Profile
            | Self::Migrations
            | Self::Database
            | Self::Vfs
            | Self::Table
            | Self::DatabasesFrom
            | Self::NoDotenv
            | Self::Null => Group::Places,
            Self::FailFast
            | Self::To
            | Self::AllowCascade
            | Self::OutOfOrder
            | Self::AllowMissing
            | Self::AllowNewer
            | Self::NoCreate
            | Self::Optional
            | Self::Sequential
            | Self::Timestamp
            | Self::Reversible
            | Self::Force
            | Self::From
            | Self::LineEndings
            | Self::Renumbered => Group::Doing,
            Self::LockWait
            | Self::Timeout
            | Self::DryRun
            | Self::SingleTransaction
            | Self::Backup
            | Self::Keep
            | Self::Verify
            | Self::Drift
            | Self::Ignore
            | Self::FolderChecksum
            | Self::Strict => Group::Care,
            Self::Long | Self::Quiet | Self::Verbose | Self::Json | Self::Color => Group::Printing,
            Self::Help | Self::Version | Self::Generate => Group::Program,
        }
    }
}
