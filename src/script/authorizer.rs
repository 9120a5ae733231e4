//! What SQLite asks about each statement of a script while it prepares it.
//!
//! Owns what a script may do to the transaction it runs in, and which notes are taken on
//! the way: which table a statement writes itself, which by triggers, which by way of
//! foreign keys, and what it drops or sets. Runs nothing.

use super::notes::{Pragma, Write, note_side};
use super::pragmas::is_off;
use super::seen::{Seen, saw};
use crate::schema::history_table::HistoryTable;
use rusqlite::ffi::SQLITE_ATTACH;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization, TransactionOperation};
use std::sync::Arc;

/// What a script may do, and what is watched.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// It runs in a transaction that is not its own.
    pub transactional: bool,
    /// A statement may take rows of other tables with it through foreign keys.
    pub allow_cascade: bool,
    /// It may touch no other file: what it does to a database in memory is for show.
    pub contained: bool,
    /// It was applied already, and only runs to see what it makes: nothing is judged.
    pub replayed: bool,
    /// The rows of each table that it changes are counted before and after.
    pub counted: bool,
    /// Other scripts follow in the same transaction, so that no COMMIT checks the keys.
    pub shared: bool,
    /// The database is SQLPage's: it is said where SQLPage would do something else.
    pub for_sqlpage: bool,
    /// A warning stops the script.
    pub strict: bool,
    /// It belongs to another user than root, who runs it: it touches no file that they
    /// could not.
    pub rights: Option<Rights>,
    /// The table that holds the history.
    pub history: HistoryTable,
    /// Those that hold other applications' histories.
    pub others: Option<Arc<[String]>>,
}

/// Whose rights a script has, and how is told whether a user may write to a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rights {
    pub user: u32,
    pub may_write: fn(u32, &str) -> bool,
    /// The same of one that ATTACH has opened: its name may lead elsewhere by now.
    pub is_opened: fn(u32, &str) -> bool,
}

impl Rules {
    /// Whether it may touch another file, of which the name is not always known.
    fn may_touch(&self, file: Option<&str>) -> bool {
        match self.rights {
            None => true,
            Some(rights) => file.is_some_and(|file| (rights.may_write)(rights.user, file)),
        }
    }
}

/// The history's name, in any case, as a script may write it.
fn is_history(rules: &Rules, context: &AuthContext<'_>, table: &str) -> bool {
    rules.history.is(table) && context.database_name.is_none_or(|name| name == "main")
}

/// Tells SQLite what to do with an action that its parser found in a statement,
/// and leaves word of it in `seen`.
pub(crate) fn authorize(seen: &Seen, rules: &Rules, context: &AuthContext<'_>) -> Authorization {
    if seen.is_paused() {
        return Authorization::Allow;
    }
    let (what, answer) = match context.action {
        AuthAction::Read {
            table_name,
            column_name,
        } => {
            note_read(seen, table_name, column_name);
            return Authorization::Allow;
        }
        AuthAction::Insert { table_name } => {
            return note_write(seen, rules, Write::Insert, table_name, context);
        }
        AuthAction::Update { table_name, .. } => {
            return note_write(seen, rules, Write::Update, table_name, context);
        }
        AuthAction::Delete { table_name } => {
            return note_write(seen, rules, Write::Delete, table_name, context);
        }
        AuthAction::Transaction { operation } if rules.transactional => match operation {
            TransactionOperation::Rollback => (saw::ROLLBACK, Authorization::Deny),
            TransactionOperation::Begin => (saw::BEGIN, Authorization::Ignore),
            _ => (saw::COMMIT, Authorization::Ignore),
        },
        // A transaction of the script's own: as a savepoint without a name.
        AuthAction::Transaction { operation } => {
            seen.notes().savepoint = Some((operation, String::new()));
            (saw::SAVEPOINT, Authorization::Allow)
        }
        AuthAction::Savepoint {
            operation,
            savepoint_name,
        } => {
            seen.notes().savepoint = Some((operation, savepoint_name.to_ascii_lowercase()));
            (saw::SAVEPOINT, Authorization::Allow)
        }
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => return authorize_pragma(seen, rules, context, pragma_name, pragma_value),
        // A name that is no literal comes as an unknown action.
        AuthAction::Attach { filename } if rules.contained && !is_in_memory(filename) => {
            (saw::OUTSIDE, Authorization::Deny)
        }
        AuthAction::Unknown { code, .. } if code == SQLITE_ATTACH && rules.contained => {
            (saw::OUTSIDE, Authorization::Deny)
        }
        AuthAction::Attach { filename } if !rules.may_touch(Some(filename)) => {
            (saw::FOREIGN, Authorization::Deny)
        }
        AuthAction::Unknown { code, .. } if code == SQLITE_ATTACH && !rules.may_touch(None) => {
            (saw::FOREIGN, Authorization::Deny)
        }
        AuthAction::Unknown { code, .. } if code == SQLITE_ATTACH => {
            (saw::ATTACH, Authorization::Allow)
        }
        AuthAction::Attach { filename } => {
            seen.notes().attached = Some(filename.to_owned());
            (saw::ATTACH, Authorization::Allow)
        }
        AuthAction::Detach { .. } => (saw::DETACH, Authorization::Allow),
        AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. } => (saw::TEMPORARY, Authorization::Allow),
        AuthAction::AlterTable {
            database_name,
            table_name,
        } => {
            seen.notes().altered = Some((database_name.to_owned(), table_name.to_owned()));
            let aside = match is_history(rules, context, table_name) {
                true => saw::HISTORY_ASIDE,
                false => 0,
            };
            (saw::ALTER | aside, Authorization::Allow)
        }
        AuthAction::DropTable { table_name } | AuthAction::DropTempTable { table_name } => {
            return note_drop(seen, rules, table_name, context);
        }
        // DROP of a table or a view names its triggers after it.
        AuthAction::DropTrigger { .. } if seen.what() & (saw::DROP | saw::DROP_OTHER) != 0 => {
            return Authorization::Allow;
        }
        AuthAction::DropIndex {
            index_name: name, ..
        }
        | AuthAction::DropTrigger {
            trigger_name: name, ..
        }
        | AuthAction::DropView { view_name: name }
        | AuthAction::DropVtable {
            table_name: name, ..
        } => {
            seen.notes().dropped_parts.push(name.to_owned());
            (saw::DROP_OTHER, Authorization::Allow)
        }
        AuthAction::CreateView { view_name: name }
        | AuthAction::CreateTrigger {
            trigger_name: name, ..
        } => {
            seen.notes().created_part = Some(name.to_owned());
            (saw::CREATE_PART, Authorization::Allow)
        }
        AuthAction::CreateVtable { table_name, .. } => {
            seen.notes().created_part = Some(table_name.to_owned());
            (saw::CREATE_VIRTUAL, Authorization::Allow)
        }
        // SQLite's own sqlite_sequence comes after the first table with AUTOINCREMENT.
        AuthAction::CreateTable { table_name } if !table_name.starts_with("sqlite_") => {
            let schema = context.database_name.unwrap_or("main");
            seen.notes().created = Some((schema.to_owned(), table_name.to_owned()));
            (saw::CREATE_TABLE, Authorization::Allow)
        }
        AuthAction::Select if seen.what() & saw::CREATE_TABLE != 0 => {
            (saw::COPY, Authorization::Allow)
        }
        AuthAction::Select if seen.what() & saw::WRITE != 0 => (saw::SELECT, Authorization::Allow),
        AuthAction::Function {
            function_name: "load_extension",
        } => (saw::EXTENSION, Authorization::Allow),
        _ => return Authorization::Allow,
    };
    seen.add(what);
    answer
}

/// Reads are of interest to INSERT … SELECT, and where somebody waits for them.
fn note_read(seen: &Seen, table: &str, column: &str) {
    if seen.what() & saw::WRITE == 0 && !seen.notes_reads() {
        return;
    }
    seen.add(saw::READ);
    let mut notes = seen.notes();
    notes.note_read(table, column);
}

/// A trigger's statement comes with the trigger's name, a foreign key's action without
/// any, after the statement's own.
fn note_write(
    seen: &Seen,
    rules: &Rules,
    write: Write,
    table: &str,
    context: &AuthContext<'_>,
) -> Authorization {
    if table.starts_with("sqlite_") {
        seen.add(saw::SCHEMA);
        return Authorization::Allow;
    }
    let schema = context.database_name.unwrap_or("main");
    let is_history = is_history(rules, context, table);
    note_other_history(seen, rules, schema, table);
    let mut notes = seen.notes();
    let what = if let Some(trigger) = context.accessor {
        note_side(&mut notes.triggered, write, (schema, table), Some(trigger));
        match is_history {
            true => saw::TRIGGER | saw::HISTORY_ASIDE,
            false => saw::TRIGGER,
        }
    } else if notes.own == Write::Nothing {
        notes.own = write;
        notes.own_schema.push_str(schema);
        notes.own_table.push_str(table);
        match is_history {
            true => saw::WRITE | saw::HISTORY,
            false => saw::WRITE,
        }
    } else if !notes.is_own(schema, table) {
        note_side(&mut notes.actions, write, (schema, table), None);
        match is_history {
            true => saw::ACTION | saw::HISTORY_ASIDE,
            false => saw::ACTION,
        }
    } else {
        match (notes.own, write) {
            (Write::Insert | Write::Update, Write::Delete) => {
                note_side(&mut notes.actions, write, (schema, table), None);
                saw::ACTION
            }
            // DO UPDATE and a second column of UPDATE look like the key of a table to
            // itself that is emptied.
            (Write::Insert | Write::Update | Write::Delete, Write::Update)
            | (Write::Delete, Write::Delete) => saw::AGAIN,
            _ => 0,
        }
    };
    seen.add(what);
    Authorization::Allow
}

/// Somebody else's history is no business of a script's.
fn note_other_history(seen: &Seen, rules: &Rules, schema: &str, table: &str) {
    let mut others = rules.others.iter().flat_map(|others| others.iter());
    if schema == "main" && others.any(|other| other.eq_ignore_ascii_case(table)) {
        seen.add(saw::OTHER_HISTORY);
        seen.notes().other_history = Some(table.to_owned());
    }
}

fn note_drop(seen: &Seen, rules: &Rules, table: &str, context: &AuthContext<'_>) -> Authorization {
    let aside = match is_history(rules, context, table) {
        true => saw::HISTORY_ASIDE,
        false => 0,
    };
    seen.add(saw::DROP | aside);
    let schema = context.database_name.unwrap_or("main");
    note_other_history(seen, rules, schema, table);
    let mut notes = seen.notes();
    notes.own = Write::Drop;
    notes.own_schema.clear();
    notes.own_table.clear();
    notes
        .own_schema
        .push_str(context.database_name.unwrap_or("main"));
    notes.own_table.push_str(table);
    Authorization::Allow
}

/// A database of ATTACH that is no file; VACUUM attaches one without a name.
fn is_in_memory(filename: &str) -> bool {
    filename.is_empty() || filename == ":memory:"
}

fn authorize_pragma(
    seen: &Seen,
    rules: &Rules,
    context: &AuthContext<'_>,
    name: &str,
    value: Option<&str>,
) -> Authorization {
    let name = name.to_ascii_lowercase();
    let (mut what, mut answer) = (saw::PRAGMA, Authorization::Allow);
    // It would fail, which it does not where nothing is written yet (SQLPage, sqlx).
    if name == "wal_checkpoint" && rules.transactional {
        answer = Authorization::Ignore;
    }
    if value.is_some() {
        match name.as_str() {
            "writable_schema" => what |= saw::WRITABLE_SCHEMA,
            // At the head of a transaction SQLite would obey some of these, and then
            // neither a failing script nor a power cut could be rolled back any more.
            "journal_mode" if rules.transactional => answer = Authorization::Ignore,
            "defer_foreign_keys"
                if value.is_some_and(is_off) && !seen.may_forget() && !rules.replayed =>
            {
                answer = Authorization::Ignore;
            }
            // Nobody could raise it again in this process.
            "hard_heap_limit" if !rules.replayed => answer = Authorization::Ignore,
            _ => {}
        }
    }
    seen.add(what);
    seen.notes().pragma = Some(Pragma {
        schema: context.database_name.map(str::to_owned),
        name,
        value: value.map(str::to_owned),
    });
    answer
}
