//! What one statement does, as far as it is known before it runs.
//!
//! Owns the shape of these notes, and nothing of what follows from them.

use rusqlite::hooks::TransactionOperation;

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Write {
    #[default]
    Nothing,
    Insert,
    Update,
    Delete,
    Drop,
}

/// A pragma as the parser took it apart.
#[derive(Debug, Clone)]
pub(crate) struct Pragma {
    pub schema: Option<String>,
    /// In lower case.
    pub name: String,
    pub value: Option<String>,
}

/// A table that is written to by a trigger or by a foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Side {
    pub write: Write,
    pub schema: String,
    pub table: String,
    /// Of a trigger; a key's action has none.
    pub trigger: Option<String>,
}

impl Side {
    pub(crate) fn is(&self, schema: &str, table: &str) -> bool {
        self.schema == schema && self.table.eq_ignore_ascii_case(table)
    }
}

/// What a statement does, as far as the authorizer is told. The buffers are kept from
/// statement to statement: an INSERT of one row allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// What the statement itself does, to which table of which schema.
    pub own: Write,
    pub own_schema: String,
    pub own_table: String,
    /// What triggers do.
    pub triggered: Vec<Side>,
    /// What foreign keys do: the tables that lose rows, or values of their references.
    pub actions: Vec<Side>,
    /// Columns that are read: table, a zero byte, column, a zero byte, and so on.
    reads: String,
    /// Indexes, triggers and views that the statement itself drops.
    pub dropped_parts: Vec<String>,
    /// The view, the trigger or the virtual table that is made.
    pub created_part: Option<String>,
    /// The table that ALTER TABLE changes, after its schema.
    pub altered: Option<(String, String)>,
    pub pragma: Option<Pragma>,
    /// The table that is made, after its schema.
    pub created: Option<(String, String)>,
    /// The history of another application, if that is written to.
    pub other_history: Option<String>,
    /// What is done with which savepoint, its name in lower case.
    pub savepoint: Option<(TransactionOperation, String)>,
    /// The file of ATTACH, if it is a literal.
    pub attached: Option<String>,
}

impl Notes {
    pub(super) fn clear(&mut self) {
        self.own = Write::Nothing;
        self.own_schema.clear();
        self.own_table.clear();
        self.triggered.clear();
        self.actions.clear();
        self.reads.clear();
        self.dropped_parts.clear();
        self.created_part = None;
        self.altered = None;
        self.pragma = None;
        self.created = None;
        self.attached = None;
        self.savepoint = None;
        self.other_history = None;
    }

    pub(super) fn note_read(&mut self, table: &str, column: &str) {
        for part in [table, column] {
            self.reads.push_str(part);
            self.reads.push('\0');
        }
    }

    /// The columns that the statement reads, each with its table, in the order in
    /// which they are named.
    pub(crate) fn reads(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut parts = self.reads.split_terminator('\0');
        std::iter::from_fn(move || Some((parts.next()?, parts.next()?)))
    }

    /// The tables that the statement writes to, by itself or by triggers and keys, each
    /// after its schema; no temporary ones.
    pub(crate) fn written(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_one = self.own != Write::Nothing;
        let own = is_one.then_some((self.own_schema.as_str(), self.own_table.as_str()));
        let others = self.triggered.iter().chain(&self.actions);
        own.into_iter()
            .chain(others.map(|side| (side.schema.as_str(), side.table.as_str())))
            .filter(|(schema, _)| *schema != "temp")
    }

    pub(super) fn is_own(&self, schema: &str, table: &str) -> bool {
        self.own_table == table && self.own_schema == schema
    }
}

/// An UPDATE comes once for each of its columns.
pub(super) fn note_side(
    sides: &mut Vec<Side>,
    write: Write,
    (schema, table): (&str, &str),
    trigger: Option<&str>,
) {
    let is_known = sides.iter().any(|side| {
        side.write == write
            && side.table == table
            && side.schema == schema
            && side.trigger.as_deref() == trigger
    });
    if !is_known {
        sides.push(Side {
            write,
            schema: schema.to_owned(),
            table: table.to_owned(),
            trigger: trigger.map(str::to_owned),
        });
    }
}
