//! Commands in messages, as they must be typed to be about the same scripts and database.
//!
//! Owns which of the options that were typed go with them. Follows no advice.

use crate::diagnostics::text::for_a_shell;
use crate::program::arguments::parse::Arguments;
use crate::program::arguments::table::{COMMANDS, FLAGS, Id};
use crate::sqlpage::project::Profile;
use std::borrow::Cow;
use std::ffi::OsStr;

/// How a command begins in a message.
const BEGINS: &str = "`litemigrate ";

/// The options that say where scripts and database are, as they were typed.
#[derive(Default, Clone)]
pub(crate) struct Advice(Vec<(Id, String)>);

impl Advice {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        let mut typed = Self::default();
        let folders = [
            (Id::ConfigDir, &arguments.config_dir),
            (Id::ConfigFile, &arguments.config_file),
            (Id::Migrations, &arguments.migrations),
        ];
        for (id, value) in folders {
            typed.extend(id, value.as_ref().map(|path| path.as_os_str()));
        }
        let database = (!arguments.is_for_several()).then(|| arguments.databases.first());
        typed.extend(
            Id::Database,
            database.flatten().map(|name| name.as_os_str()),
        );
        let profile = arguments.profile.map(|profile| match profile {
            Profile::Sqlpage => "sqlpage",
            Profile::Sqlite => "sqlite",
        });
        let table = arguments.table.as_ref().map(|table| table.name());
        let words = [
            (Id::Profile, profile),
            (Id::Table, table),
            (Id::Vfs, arguments.vfs.as_deref()),
        ];
        for (id, value) in words {
            typed.extend(id, value.map(OsStr::new));
        }
        if arguments.no_dotenv {
            typed.0.push((Id::NoDotenv, " --no-dotenv".to_owned()));
        }
        typed
    }

    /// The same for one of several databases.
    pub(crate) fn of_one(&self, database: &OsStr) -> Self {
        let mut one = self.clone();
        one.extend(Id::Database, Some(database));
        one
    }

    fn extend(&mut self, id: Id, value: Option<&OsStr>) {
        let flag = FLAGS.iter().find(|flag| flag.id == id);
        let (Some(flag), Some(value)) = (flag, value) else {
            return;
        };
        let name = match flag.short {
            Some(short) => format!("-{short}"),
            None => format!("--{}", flag.long),
        };
        let value = value.to_string_lossy();
        self.0
            .push((id, format!(" {name} {}", for_a_shell(&value))));
    }

    /// A line in which each command has the options that it needs.
    pub(crate) fn complete<'l>(&self, line: &'l str) -> Cow<'l, str> {
        if self.0.is_empty() || !line.contains(BEGINS) {
            return Cow::Borrowed(line);
        }
        let mut complete = String::new();
        let mut rest = line;
        while let Some(at) = rest.find(BEGINS) {
            let (before, command) = rest.split_at(at + BEGINS.len());
            let end = command.find('`').unwrap_or(command.len());
            let (command, after) = command.split_at(end);
            complete.push_str(before);
            complete.push_str(command);
            complete.push_str(&self.missing(command));
            rest = after;
        }
        complete.push_str(rest);
        Cow::Owned(complete)
    }

    /// What is to be added to a command.
    fn missing(&self, command: &str) -> String {
        let word = command.split(' ').next();
        let Some(about) = COMMANDS.iter().find(|about| Some(about.word) == word) else {
            return String::new();
        };
        // Of `import` it is where the scripts go, which is another folder; of `restore` nothing.
        let needs_scripts = !["import", "restore"].contains(&about.word);
        let goes_with = |id: Id| {
            let mut flags = FLAGS.iter();
            (needs_scripts || id != Id::Migrations)
                && flags.any(|flag| flag.id == id && flag.goes_with(about))
        };
        // The word alone is its name, and no advice.
        let is_named = ["help", "import", "new"].contains(&command) || about.word == "help";
        let options = self.0.iter().filter(|(id, _)| goes_with(*id) && !is_named);
        options.map(|(_, option)| option.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Advice;
    use crate::program::arguments::table::Id;
    use std::ffi::OsStr;

    #[test]
    fn a_command_has_the_options_that_it_knows() {
        let mut advice = Advice::default();
        advice.extend(Id::Migrations, Some(OsStr::new("m")));
        advice.extend(Id::Database, Some(OsStr::new("it's.db")));
        for (line, expected) in [
            (
                "run `litemigrate repair 2`, or wait",
                r"run `litemigrate repair 2 -m m -D 'it'\''s.db'`, or wait",
            ),
            (
                "(`litemigrate new NAME` does)",
                "(`litemigrate new NAME -m m` does)",
            ),
            (
                "`litemigrate import x -m y`",
                r"`litemigrate import x -m y -D 'it'\''s.db'`",
            ),
            (
                "see `litemigrate help recipes`",
                "see `litemigrate help recipes`",
            ),
            (
                "`litemigrate --generate rust`",
                "`litemigrate --generate rust`",
            ),
            ("no command, and `baseline`", "no command, and `baseline`"),
        ] {
            assert_eq!(advice.complete(line), expected);
        }
    }
}
