//! The table: what is in the folder before and after, what is done to the
//! database in between, and what each of the three says then.

use oracle::Who;

/// Whether a program exits with success.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Accepts,
    Refuses,
}

use Verdict::{Accepts, Refuses};

pub struct Case {
    pub name: &'static str,
    /// Applied first, by each of the three in turn.
    pub before: Vec<(String, Vec<u8>)>,
    /// Done to the database then.
    pub sql: &'static str,
    /// What each of the three then finds.
    pub after: Vec<(String, Vec<u8>)>,
    pub us: Verdict,
    pub sqlx: Verdict,
    pub fork: Verdict,
}

impl Case {
    /// What it must say.
    pub fn verdict(&self, who: Who) -> Verdict {
        match who {
            Who::Us => self.us,
            Who::Sqlx => self.sqlx,
            // The shell runs no cases.
            Who::Fork | Who::Shell => self.fork,
        }
    }
}

type Files = &'static [(&'static str, &'static str)];

fn files(files: Files) -> Vec<(String, Vec<u8>)> {
    files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
        .collect()
}

/// A difference on purpose, and why.
fn differs(
    name: &'static str,
    before: Files,
    after: Files,
    [us, sqlx, fork]: [Verdict; 3],
    why: &'static str,
) -> Case {
    assert!(!why.is_empty());
    Case {
        name,
        before: files(before),
        sql: "",
        after: files(after),
        us,
        sqlx,
        fork,
    }
}

fn agree(name: &'static str, before: Files, after: Files, verdict: Verdict) -> Case {
    differs(name, before, after, [verdict; 3], "no difference")
}

fn with_sql(
    name: &'static str,
    before: Files,
    sql: &'static str,
    after: Files,
    verdict: Verdict,
) -> Case {
    Case {
        sql,
        ..agree(name, before, after, verdict)
    }
}

const A: (&str, &str) = (
    "1_a.sql",
    "CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT);\n",
);
const B: (&str, &str) = (
    "2_b.sql",
    "CREATE TABLE b (a_id REFERENCES a (id));\nINSERT INTO a VALUES (1, 'x');\n",
);
const C: (&str, &str) = ("3_c.sql", "CREATE INDEX c ON a (name);\n");
const NONE: Files = &[];

/// Scripts that are refused or accepted for reasons of ours, in the scenarios.
pub const FIXTURES_THAT_DIFFER: &[(&str, &str)] = &[
    (
        "page-sizes-of-one-script-do-not-wait-for-the-next",
        "sqlx lets them wait for the next VACUUM; the fork does not know -- no-transaction",
    ),
    (
        "a-replay-touches-no-other-file",
        "the fork does not know -- no-transaction",
    ),
    ("a-foreign-key-that-fits-nothing", "they ignore the pragma"),
    (
        "a-second-start-outside-a-transaction-says",
        "they look for no rows that refer to nothing",
    ),
    (
        "a-rebuild-",
        "they lose rows of other tables, or ignore the pragma",
    ),
    ("sqlites-own-rebuild", "BEGIN is an error to them"),
    (
        "single-transaction-with-a-rebuild",
        "they lose rows of other tables",
    ),
    (
        "single-transaction-refuses",
        "the fork does not know -- no-transaction",
    ),
    ("dry-run-tells", "the fork does not know -- no-transaction"),
    ("lost-rows", "they lose rows of other tables"),
    ("that-replaces", "they lose rows of other tables"),
    ("replace-takes-children", "BEGIN is an error to them"),
    ("would-lose-children", "BEGIN is an error to them"),
    ("strict-lets-begin", "BEGIN is an error to them"),
    ("holds-its-way-back", "they run the way back, too"),
    ("what-is-replaced-that-is-none", "it is a comment to them"),
    ("import-of-a-sql-migrate", "they run the way back, too"),
    ("import-may-let-missing", "they run the way back, too"),
    (
        "a-replay-puts-back",
        "query_only of a script stays for them",
    ),
    (
        "a-dry-run-leaves-no-attached-file",
        "run here for real, where the files are",
    ),
    ("make-the-history-anew", "they do not notice"),
    ("may-not-leave-a-history", "they do not notice"),
    ("excuses-no-drop", "they do not notice"),
    ("made-again-without-its-definition", "they do not notice"),
    ("a-trigger-on-the-history", "they do not notice"),
    ("a-version-that-a-script-records", "they run it, and fail"),
    ("does-not-hide-an-orphan", "they ignore the pragma"),
    (
        "outside-a-transaction-new-orphans",
        "they do not look for orphans",
    ),
    ("orphans-by-defer", "they do not look for orphans"),
    (
        "checks-and-like",
        "settings of one script hold for their next",
    ),
    ("the-heap-limit", "they lower it for the whole process"),
    ("sqlpage-project", "run here in the other profile"),
    ("schema-needs-no-database", "the fork has no profile sqlite"),
    ("with-profile-sqlite", "the fork has no profile sqlite"),
    ("that-sqlpage-cannot-open", "the fork has no profile sqlite"),
    ("nocase-is-stock-elsewhere", "the fork compares Unicode"),
    (
        "a-script-that-breaks-the-history",
        "they do not read installed_on",
    ),
    ("begin-and-commit-are-absorbed", "BEGIN is an error to them"),
    (
        "what-fails-after-an-absorbed-commit",
        "they leave half of it",
    ),
    ("rollback-is-refused", "they let what follows stand"),
    (
        "savepoints-are-fine",
        "they cannot commit with a savepoint open",
    ),
    ("no-transaction", "the fork ignores it"),
    (
        "a-temporary-history",
        "they write the row into the temporary table",
    ),
    ("a-trigger-that-swallows-the-row", "they do not notice"),
    ("a-destroyed-schema", "they commit it"),
    (
        "a-script-cannot-take-the-journal-away",
        "they leave half of it",
    ),
    ("every-unusable-file-is-named-at-once", "two of one version"),
    ("two-files-of-one-version", "they apply one of them"),
    ("a-deferred-foreign-key", "no difference in the verdict"),
    ("a-dangling-link", "made by the scenario"),
];

/// What the interop fixture is made of: every odd spelling that all three accept.
pub fn spellings() -> Vec<(String, Vec<u8>)> {
    let list: Files = &[
        (
            "0001_create_users.sql",
            "CREATE TABLE users (id INTEGER PRIMARY KEY);\n",
        ),
        ("+2_plus.sql", "SELECT 2;"),
        ("-3_minus.sql", "SELECT -3;\n"),
        ("4__two_underscores_.sql", "SELECT 4;\r\n"),
        ("5_.sql", ""),
        ("6_a.sql.sql", "\u{feff}SELECT 6;\n"),
        ("7_r.up.sql", "CREATE TABLE r (x);\n"),
        ("7_r.down.sql", "DROP TABLE r;\n"),
        ("8_upper.UP.sql", "-- only a comment"),
        ("9223372036854775807_max.sql", "SELECT 'max';\n"),
    ];
    files(list)
}

/// Text that SQLPage compares and converts in its own way, with what our
/// connection made of it.
pub fn unicode() -> Vec<(String, Vec<u8>)> {
    let list: Files = &[
        (
            "1_words.sql",
            "CREATE TABLE words (name TEXT UNIQUE COLLATE NOCASE, number, up TEXT, low TEXT, number_up TEXT);\nCREATE INDEX by_up ON words (up COLLATE NOCASE);\n",
        ),
        (
            "2_words.sql",
            "INSERT INTO words (name, number) VALUES ('É', 1), ('e', -5), ('Zoë', 1.5), ('zoe', 1e300), ('ß', 0.1), ('ǆ', 100000000000000.0), ('İ', x'c3a9'), ('日本', '7'), ('ÅNGSTRÖM', NULL), ('Ж', 9223372036854775807), ('я', -2.5), ('ς', 123456789.125);\nUPDATE words SET up = upper(name), low = lower(name), number_up = upper(number, 'ignored');\n",
        ),
    ];
    files(list)
}

/// All of them.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        agree("fresh", NONE, &[A, B, C], Accepts),
        agree("nothing-to-do", &[A, B, C], &[A, B, C], Accepts),
        agree("half-and-half", &[A, B], &[A, B, C], Accepts),
        agree("one-by-one", &[A], &[A, B, C], Accepts),
        agree("empty-file", NONE, &[("1_a.sql", "")], Accepts),
        agree("blank-file", NONE, &[("1_a.sql", " \n\t\r\n")], Accepts),
        agree(
            "comment-only",
            NONE,
            &[("1_a.sql", "-- nothing\n/* at all */")],
            Accepts,
        ),
        agree(
            "unclosed-comment",
            NONE,
            &[("1_a.sql", "CREATE TABLE a (x); /* open")],
            Accepts,
        ),
        agree(
            "crlf",
            NONE,
            &[
                ("1_a.sql", "CREATE TABLE a (\r\n  x\r\n);\r\n"),
                ("2_b.sql", "INSERT INTO a VALUES ('one\r\ntwo');\r\n"),
            ],
            Accepts,
        ),
        agree(
            "byte-order-mark",
            NONE,
            &[("1_a.sql", "\u{feff}CREATE TABLE a (x);\n")],
            Accepts,
        ),
        agree(
            "no-final-newline-or-semicolon",
            NONE,
            &[("1_a.sql", "CREATE TABLE a (x)")],
            Accepts,
        ),
        agree(
            "unicode",
            NONE,
            &[(
                "1_größe 日本.sql",
                "CREATE TABLE \"größe 😀\" (ß TEXT DEFAULT 'é');\nINSERT INTO \"größe 😀\" DEFAULT VALUES;\n",
            )],
            Accepts,
        ),
        agree(
            "names",
            NONE,
            &[
                ("0001_a.sql", "SELECT 1;"),
                ("+5_a.sql", "SELECT 5;"),
                ("-5_a.sql", "SELECT -5;"),
                ("7__b.sql", "SELECT 7;"),
                ("8_.sql", "SELECT 8;"),
                ("9_a_.sql", "SELECT 9;"),
            ],
            Accepts,
        ),
        agree(
            "extreme-versions",
            NONE,
            &[
                ("9223372036854775807_a.sql", "SELECT 1;"),
                ("-9223372036854775808_a.sql", "SELECT 1;"),
                ("-0_a.sql", "SELECT 1;"),
            ],
            Accepts,
        ),
        agree(
            "suffixes",
            NONE,
            &[
                ("1_a.sql.sql", "SELECT 1;"),
                ("2_a.up.up.sql", "SELECT 1;"),
                ("3_a.sql.up.sql", "SELECT 1;"),
                ("4_a.up.sql.sql", "SELECT 1;"),
                ("5_a.UP.sql", "SELECT 1;"),
                ("6_up.sql", "SELECT 1;"),
            ],
            Accepts,
        ),
        agree(
            "ignored-names",
            NONE,
            &[
                A,
                ("README.md", "x"),
                ("schema.sql", "garbage"),
                ("2-b.sql", "garbage"),
                ("3_c.SQL", "garbage"),
                ("4_d.sql~", "garbage"),
            ],
            Accepts,
        ),
        agree(
            "reversible",
            NONE,
            &[
                ("1_a.up.sql", "CREATE TABLE a (x);"),
                ("1_a.down.sql", "DROP TABLE a;"),
                ("2_b.sql", "CREATE TABLE b (x);"),
                ("2_b.down.sql", "DROP TABLE b;"),
            ],
            Accepts,
        ),
        agree(
            "down-alone",
            NONE,
            &[A, ("2_b.down.sql", "SELECT 1;")],
            Accepts,
        ),
        agree(
            "up-removed-down-stays",
            &[
                ("1_a.up.sql", "CREATE TABLE a (x);"),
                ("1_a.down.sql", "DROP TABLE a;"),
            ],
            &[("1_a.down.sql", "DROP TABLE a;")],
            Accepts,
        ),
        agree(
            "not-a-number",
            NONE,
            &[A, ("README_x.sql", "SELECT 1;")],
            Refuses,
        ),
        agree(
            "flyway-name",
            NONE,
            &[("V1__init.sql", "SELECT 1;")],
            Refuses,
        ),
        agree(
            "date-with-dashes",
            NONE,
            &[("2026-01-31_x.sql", "SELECT 1;")],
            Refuses,
        ),
        agree(
            "overflow",
            NONE,
            &[("9223372036854775808_x.sql", "SELECT 1;")],
            Refuses,
        ),
        agree(
            "trigger",
            NONE,
            &[(
                "1_a.sql",
                "CREATE TABLE a (x);\nCREATE TABLE l (x);\nCREATE TRIGGER t AFTER INSERT ON a BEGIN INSERT INTO l VALUES (new.x); SELECT CASE WHEN 1 THEN 2 END; END;\nINSERT INTO a VALUES (1), (2);\n",
            )],
            Accepts,
        ),
        agree(
            "select-with-effects",
            NONE,
            &[(
                "1_a.sql",
                "CREATE TABLE a (x);\nINSERT INTO a VALUES (1), (2), (3) RETURNING x;\nUPDATE a SET x = x + 10 RETURNING x;\nDELETE FROM a WHERE x > 11 RETURNING x;\n",
            )],
            Accepts,
        ),
        agree(
            "late-row-fails",
            NONE,
            &[
                (
                    "1_a.sql",
                    "CREATE TABLE a (x);\nINSERT INTO a VALUES (1), (-9223372036854775808);\n",
                ),
                ("2_b.sql", "CREATE TABLE b (x);\nSELECT abs(x) FROM a;\n"),
            ],
            Refuses,
        ),
        agree(
            "fails-half-way",
            &[A],
            &[
                A,
                (
                    "2_b.sql",
                    "CREATE TABLE b (x);\nINSERT INTO nosuch VALUES (1);\n",
                ),
            ],
            Refuses,
        ),
        agree(
            "deferred-foreign-key",
            &[A],
            &[
                A,
                (
                    "2_b.sql",
                    "CREATE TABLE b (x REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO b VALUES (7);\n",
                ),
            ],
            Refuses,
        ),
        agree(
            "immediate-foreign-key",
            &[A],
            &[
                A,
                (
                    "2_b.sql",
                    "CREATE TABLE b (x REFERENCES a (id));\nINSERT INTO b VALUES (7);\n",
                ),
            ],
            Refuses,
        ),
        agree("vacuum", &[A], &[A, ("2_b.sql", "VACUUM;\n")], Refuses),
        agree(
            "raise-rollback",
            &[A],
            &[
                A,
                (
                    "2_b.sql",
                    "CREATE TABLE b (x);\nCREATE TRIGGER t BEFORE INSERT ON b BEGIN SELECT RAISE(ROLLBACK, 'no'); END;\nINSERT INTO b VALUES (1);\n",
                ),
            ],
            Refuses,
        ),
        agree(
            "edited",
            &[A, B],
            &[
                (
                    "1_a.sql",
                    "CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT); -- edited\n",
                ),
                B,
            ],
            Refuses,
        ),
        agree(
            "line-endings-changed",
            &[A, B],
            &[
                (
                    "1_a.sql",
                    "CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT);\r\n",
                ),
                B,
            ],
            Refuses,
        ),
        agree("missing", &[A, B], &[B, C], Refuses),
        agree("newer", &[A, B, C], &[A, B], Refuses),
        agree(
            "renamed",
            &[A, B],
            &[("0001_other_name.sql", A.1), B, C],
            Accepts,
        ),
        agree(
            "out-of-order",
            &[A, C],
            &[A, ("2_late.sql", "CREATE TABLE late (x);"), C],
            Accepts,
        ),
        with_sql(
            "dirty",
            &[A, B],
            "UPDATE _sqlx_migrations SET success = 0 WHERE version = 2",
            &[A, B, C],
            Refuses,
        ),
        with_sql(
            "other-description",
            &[A],
            "UPDATE _sqlx_migrations SET description = 'other'",
            &[A, B],
            Accepts,
        ),
        with_sql(
            "extra-column",
            &[A],
            "ALTER TABLE _sqlx_migrations ADD COLUMN extra",
            &[A, B],
            Accepts,
        ),
        with_sql(
            "checksum-as-text",
            &[A],
            "UPDATE _sqlx_migrations SET checksum = CAST(checksum AS TEXT)",
            &[A, B],
            Accepts,
        ),
        with_sql(
            "history-removed",
            &[("1_a.sql", "CREATE TABLE IF NOT EXISTS a (x);")],
            "DROP TABLE _sqlx_migrations",
            &[("1_a.sql", "CREATE TABLE IF NOT EXISTS a (x);"), B],
            Refuses,
        ),
        with_sql(
            "history-removed-idempotent",
            &[("1_a.sql", "CREATE TABLE IF NOT EXISTS a (x);")],
            "DROP TABLE _sqlx_migrations",
            &[("1_a.sql", "CREATE TABLE IF NOT EXISTS a (x);")],
            Accepts,
        ),
        with_sql("wal", &[A], "PRAGMA journal_mode = WAL", &[A, B], Accepts),
        with_sql(
            "other-page-size-and-version",
            NONE,
            "PRAGMA page_size = 1024; PRAGMA user_version = 7; PRAGMA application_id = 9; CREATE TABLE mine (x)",
            &[A, B],
            Accepts,
        ),
        with_sql(
            "utf-16",
            NONE,
            "PRAGMA encoding = 'UTF-16le'; CREATE TABLE mine (x)",
            &[A, ("2_é.sql", "INSERT INTO a VALUES (1, 'é😀');")],
            Accepts,
        ),
        agree(
            "script-writes-to-the-history",
            NONE,
            &[
                A,
                (
                    "2_b.sql",
                    "UPDATE _sqlx_migrations SET description = 'changed' WHERE version = 1;",
                ),
            ],
            Accepts,
        ),
        agree(
            "script-drops-the-history",
            &[A],
            &[A, ("2_b.sql", "DROP TABLE _sqlx_migrations;")],
            Refuses,
        ),
        agree(
            "parameters-are-null",
            NONE,
            &[(
                "1_a.sql",
                "CREATE TABLE a (x, y);\nINSERT INTO a VALUES (?1, :p);\nINSERT INTO a SELECT $q, @r;\n",
            )],
            Accepts,
        ),
        agree(
            "user-version-in-a-script",
            NONE,
            &[(
                "1_a.sql",
                "PRAGMA user_version = 42;\nPRAGMA application_id = 7;\n",
            )],
            Accepts,
        ),
        agree(
            "temporary-table-across-scripts",
            NONE,
            &[
                ("1_a.sql", "CREATE TEMP TABLE t AS SELECT 1 AS x;"),
                ("2_b.sql", "CREATE TABLE b AS SELECT x FROM t;"),
            ],
            Accepts,
        ),
        agree(
            "math-functions",
            NONE,
            &[(
                "1_a.sql",
                "CREATE TABLE a (x);\nINSERT INTO a VALUES (pow(2, 3)), (sqrt(16)), (ceil(1.5));\n",
            )],
            Accepts,
        ),
        agree(
            "fts5-json-rtree",
            NONE,
            &[(
                "1_a.sql",
                "CREATE VIRTUAL TABLE f USING fts5 (x);\nINSERT INTO f VALUES ('some words');\nCREATE VIRTUAL TABLE r USING rtree (id, a, b);\nCREATE TABLE j AS SELECT json_object('a', 1) AS x;\n",
            )],
            Accepts,
        ),
        agree(
            "no-regexp",
            NONE,
            &[("1_a.sql", "SELECT 'a' REGEXP 'a';")],
            Refuses,
        ),
        agree(
            "without-rowid-strict-generated",
            NONE,
            &[(
                "1_a.sql",
                "CREATE TABLE a (x INTEGER PRIMARY KEY, y TEXT, z TEXT AS (y || 'z') STORED) STRICT, WITHOUT ROWID;\nINSERT INTO a VALUES (1, 'y');\n",
            )],
            Accepts,
        ),
        agree(
            "switching-to-wal",
            &[A],
            &[A, ("2_b.sql", "PRAGMA journal_mode = WAL;")],
            Refuses,
        ),
        differs(
            "two-of-one-version",
            NONE,
            &[A, ("0001_b.sql", "CREATE TABLE b (x);")],
            [Refuses, Refuses, Refuses],
            "all refuse, but they have applied one of the two by then",
        ),
        differs(
            "no-transaction",
            NONE,
            &[A, ("2_b.sql", "-- no-transaction\nVACUUM;\n")],
            [Accepts, Accepts, Refuses],
            "the fork does not know it; we honour it, as sqlx does",
        ),
        differs(
            "no-transaction-harmless",
            NONE,
            &[A, ("2_b.sql", "-- no-transaction\nCREATE TABLE b (x);\n")],
            [Accepts, Accepts, Accepts],
            "what needs no transaction is the same for all",
        ),
        differs(
            "no-transaction-misspelt",
            NONE,
            &[A, ("2_b.sql", "--no-transaction\nVACUUM;\n")],
            [Refuses, Refuses, Refuses],
            "only the exact bytes count",
        ),
        differs(
            "begin",
            NONE,
            &[A, ("2_b.sql", "BEGIN;\nCREATE TABLE b (x);\nCOMMIT;\n")],
            [Accepts, Refuses, Refuses],
            "we absorb BEGIN and COMMIT, so that dumps work and are atomic",
        ),
        differs(
            "commit-then-begin",
            NONE,
            &[
                A,
                (
                    "2_b.sql",
                    "CREATE TABLE b (x);\nCOMMIT;\nCREATE TABLE c (x);\nBEGIN;\nCREATE TABLE d (x);\n",
                ),
            ],
            [Accepts, Accepts, Accepts],
            "the same result, but ours is one transaction",
        ),
        differs(
            "rollback",
            NONE,
            &[
                A,
                (
                    "2_b.sql",
                    "CREATE TABLE b (x);\nROLLBACK;\nCREATE TABLE c (x);\n",
                ),
            ],
            [Refuses, Refuses, Refuses],
            "all refuse, but they leave table c",
        ),
    ];
    let mut not_utf8 = agree("not-utf8", NONE, &[A], Refuses);
    not_utf8
        .after
        .push(("2_b.sql".to_owned(), b"SELECT 'caf\xe9';\n".to_vec()));
    cases.push(not_utf8);
    // Not here: a NUL byte makes the real ones hang with the write lock held.
    cases
}
