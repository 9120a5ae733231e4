//! The standard scripts, and what a database holds before them.
//!
//! Owns the texts.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Up,
    UpTogether,
    /// All the way.
    Down,
    /// Up to this version.
    Baseline(i64),
    /// This version, whose recorded checksum is not its file's.
    Repair(i64),
    /// The backup is copied back over the database.
    Restore,
}

/// What a restore finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    Sound,
    /// It is damaged.
    Damaged,
    /// Its pages are of another size than the backup's.
    OtherPages,
}

/// A copy of the database as it was at this version.
#[derive(Debug, Clone, Copy)]
pub struct Backup {
    pub version: i64,
    pub found: Found,
}

/// What the cases have in common in every journal mode.
pub struct Scripts {
    pub name: &'static str,
    pub action: Action,
    /// What the database holds beforehand.
    pub setup: &'static str,
    /// The newest version that is applied beforehand.
    pub applied: i64,
    pub scripts: &'static [(&'static str, &'static str)],
    /// What the connection is set to.
    pub pragmas: &'static str,
    pub backup: Option<Backup>,
}

impl Scripts {
    /// Whether litemigrate looks at files without SQLite, or puts some beside them.
    pub fn need_real_files(&self) -> bool {
        let outside = |(_, text): &(&str, &str)| text.starts_with("-- no-transaction");
        self.backup.is_some() || self.scripts.iter().any(outside)
    }
}

const PEOPLE: &str = "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE loans (id INTEGER PRIMARY KEY, person INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE, thing TEXT);
INSERT INTO people VALUES (1, 'Ada'), (2, 'Grace'), (3, 'Mary');
INSERT INTO loans VALUES (1, 1, 'drill'), (2, 2, 'ladder'), (3, 2, 'saw');";

const REBUILD: &str = "PRAGMA foreign_keys = OFF;
CREATE TABLE new_people (id INTEGER PRIMARY KEY, name TEXT NOT NULL CHECK (name != ''), mail TEXT);
INSERT INTO new_people SELECT id, name, NULL FROM people;
DROP TABLE people;
ALTER TABLE new_people RENAME TO people;
PRAGMA foreign_keys = ON;";

const DELETE_CASCADES: &str = "DELETE FROM people WHERE id = 2;
INSERT INTO people VALUES (2, 'Grace again', NULL);";

const LARGE: &[(&str, &str)] = &[
    (
        "1_rows.sql",
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);
INSERT INTO notes WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 40)
SELECT i, printf('%0300d', i) FROM n;",
    ),
    (
        "2_change.sql",
        "UPDATE notes SET text = printf('%0200d', id * 7) WHERE id % 3 != 0;
CREATE INDEX notes_text ON notes (text);",
    ),
    (
        "3_shrink.sql",
        "DROP INDEX notes_text; DELETE FROM notes WHERE id > 10;",
    ),
];

const RESTORED: &[(&str, &str)] = &[
    ("1_people.sql", PEOPLE),
    ("2_more.sql", "INSERT INTO people VALUES (4, 'Emmy');"),
    (
        "3_less.sql",
        "DROP TABLE loans; DELETE FROM people WHERE id < 3;",
    ),
];

const fn restored(name: &'static str, found: Found) -> Scripts {
    Scripts {
        name,
        action: Action::Restore,
        setup: "",
        applied: 3,
        scripts: RESTORED,
        pragmas: "",
        backup: Some(Backup { version: 1, found }),
    }
}

pub const SCRIPTS: &[Scripts] = &[
    Scripts {
        name: "ddl",
        action: Action::Up,
        setup: "",
        applied: 0,
        scripts: &[
            (
                "1_tables.sql",
                "CREATE TABLE a (id INTEGER PRIMARY KEY, text TEXT);
CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a (id));
CREATE INDEX b_a ON b (a);
INSERT INTO a VALUES (1, 'one'), (2, 'two');",
            ),
            (
                "2_more.sql",
                "ALTER TABLE a ADD COLUMN more TEXT DEFAULT 'x';
CREATE VIEW v AS SELECT a.text, b.id FROM a JOIN b ON b.a = a.id;
CREATE TRIGGER t AFTER INSERT ON a BEGIN INSERT INTO b (a) VALUES (new.id); END;
INSERT INTO a (text) VALUES ('three');",
            ),
            (
                "3_less.sql",
                "DROP TRIGGER t; DROP VIEW v; DROP TABLE b; PRAGMA user_version = 3;",
            ),
        ],
        pragmas: "",
        backup: None,
    },
    Scripts {
        name: "rebuild",
        action: Action::Up,
        setup: "CREATE TABLE app_log (id INTEGER PRIMARY KEY, process INTEGER);",
        applied: 1,
        scripts: &[
            ("1_people.sql", PEOPLE),
            ("2_rebuild.sql", REBUILD),
            ("3_delete.sql", DELETE_CASCADES),
        ],
        pragmas: "",
        backup: None,
    },
    Scripts {
        name: "short",
        action: Action::Up,
        setup: "CREATE TABLE app_log (id INTEGER PRIMARY KEY, process INTEGER);",
        applied: 0,
        scripts: &[
            (
                "1_a.sql",
                "CREATE TABLE a (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO a (text) VALUES ('one');",
            ),
            ("2_b.sql", "INSERT INTO a (text) VALUES ('two');"),
        ],
        pragmas: "",
        backup: None,
    },
    Scripts {
        name: "large",
        action: Action::Up,
        setup: "",
        applied: 0,
        scripts: LARGE,
        pragmas: "PRAGMA page_size = 1024; PRAGMA cache_size = 4; PRAGMA wal_autocheckpoint = 12;",
        backup: None,
    },
    Scripts {
        name: "outside",
        action: Action::Up,
        setup: "",
        applied: 0,
        scripts: &[
            ("1_people.sql", PEOPLE),
            (
                "2_outside.sql",
                "-- no-transaction
CREATE INDEX IF NOT EXISTS loans_person ON loans (person);
UPDATE loans SET thing = upper(thing);
DELETE FROM people WHERE id = 3;
VACUUM;",
            ),
            ("3_more.sql", "INSERT INTO people VALUES (4, 'Emmy');"),
        ],
        pragmas: "",
        backup: None,
    },
    Scripts {
        name: "together",
        action: Action::UpTogether,
        setup: "CREATE TABLE given (id INTEGER PRIMARY KEY); INSERT INTO given VALUES (1);",
        applied: 0,
        scripts: &[
            ("1_people.sql", PEOPLE),
            (
                "2_index.sql",
                "CREATE INDEX loans_person ON loans (person);",
            ),
            (
                "3_given.sql",
                "INSERT INTO given VALUES (2), (3); DELETE FROM people WHERE id = 1;",
            ),
        ],
        pragmas: "",
        backup: None,
    },
    Scripts {
        name: "down",
        action: Action::Down,
        setup: "",
        applied: 2,
        scripts: &[
            ("1_people.up.sql", PEOPLE),
            ("1_people.down.sql", "DROP TABLE loans; DROP TABLE people;"),
            (
                "2_index.up.sql",
                "CREATE INDEX loans_person ON loans (person); DELETE FROM loans WHERE id = 1;",
            ),
            (
                "2_index.down.sql",
                "DROP INDEX loans_person; INSERT INTO loans VALUES (1, 1, 'drill');",
            ),
        ],
        pragmas: "",
        backup: None,
    },
    Scripts {
        name: "baseline",
        action: Action::Baseline(2),
        setup: "CREATE TABLE a (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1);",
        applied: 0,
        scripts: &[
            ("1_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);"),
            ("2_a.sql", "INSERT INTO a VALUES (1);"),
        ],
        pragmas: "",
        backup: None,
    },
    Scripts {
        name: "repair",
        action: Action::Repair(1),
        setup: "",
        applied: 2,
        scripts: &[
            ("1_people.sql", PEOPLE),
            ("2_more.sql", "INSERT INTO people VALUES (4, 'Emmy');"),
        ],
        pragmas: "",
        backup: None,
    },
    restored("restore", Found::Sound),
    restored("restore-damaged", Found::Damaged),
    restored("restore-other-pages", Found::OtherPages),
    Scripts {
        name: "up-and-restore",
        action: Action::Up,
        setup: "",
        applied: 2,
        scripts: RESTORED,
        pragmas: "",
        backup: Some(Backup {
            version: 1,
            found: Found::Sound,
        }),
    },
];
