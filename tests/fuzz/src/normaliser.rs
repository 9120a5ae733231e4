//! What the comparison of schemas calls equal behaves equally, as SQLite judges it: the
//! same columns, the same rows accepted and computed.
//!
//! The first byte is the kind of object; each three further bytes are a token, and how it
//! is spelt in the one statement and in the other.

use litemigrate::internals::is_same;
use litemigrate::rusqlite::types::Value;
use litemigrate::rusqlite::{Connection, Result};
use std::collections::BTreeSet;

const TOKENS: [&str; 62] = [
    "a",
    "b",
    "c d",
    "x",
    "true",
    "current",
    "1",
    "1.5",
    "'x'",
    "'a'",
    "''",
    "x'4a'",
    "NULL",
    "TRUE",
    "(",
    ")",
    ",",
    "+",
    "-",
    "*",
    "/",
    "||",
    "=",
    "==",
    "<>",
    "!=",
    "<",
    ">=",
    "<<",
    "&",
    "IS",
    "IS NOT",
    "NOT",
    "AND",
    "OR",
    "IN",
    "LIKE",
    "GLOB",
    "BETWEEN",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "upper",
    "abs",
    "length",
    "typeof",
    "CAST",
    "AS",
    "INTEGER",
    "TEXT",
    "COLLATE",
    "NOCASE",
    "UNIQUE",
    "CHECK",
    "PRIMARY KEY",
    "REFERENCES",
    "DESC",
    "0x10",
    "1e2",
    "->>",
];

fn spelt(token: &str, how: u8) -> String {
    let bare = token.trim_matches('\'');
    let how_to = how % 12;
    let word = match how_to {
        // A name of two words is one only in quotes.
        0..=4 | 10 if token == "c d" => "\"c d\"".to_owned(),
        3 => token.to_uppercase(),
        4 => token.to_lowercase(),
        5 => format!("\"{bare}\""),
        6 => format!("[{bare}]"),
        7 => format!("`{bare}`"),
        8 => format!("'{bare}'"),
        9 => format!("\"{}\"", bare.to_uppercase()),
        10 => match token {
            "=" => "==".to_owned(),
            "<>" => "!=".to_owned(),
            "1.5" => "1.50".to_owned(),
            "0x10" => "16".to_owned(),
            "1e2" => "1E2".to_owned(),
            other => other.to_owned(),
        },
        11 => format!("({token})"),
        _ => token.to_owned(),
    };
    let spaces = [" ", "", "\n", " /* ' */ ", " -- ;\n", "\t", " ", " "];
    format!("{}{word}", spaces[usize::from(how / 12) % 8])
}

fn statement(kind: u8, tokens: &[u8], which: usize) -> String {
    let text: String = tokens
        .chunks_exact(3)
        .map(|token| spelt(TOKENS[usize::from(token[0]) % TOKENS.len()], token[which]))
        .collect();
    match kind % 6 {
        0 => format!("CREATE TABLE n (a {text})"),
        1 => format!("CREATE TABLE n (a, b, \"c d\", CHECK ({text}))"),
        2 => format!("CREATE UNIQUE INDEX n ON t ({text})"),
        3 => format!("CREATE UNIQUE INDEX n ON t (a) WHERE {text}"),
        4 => format!("CREATE VIEW n AS SELECT {text} FROM t"),
        _ => format!(
            "CREATE TRIGGER n AFTER INSERT ON t BEGIN INSERT INTO u SELECT {text} FROM t; END"
        ),
    }
}

pub fn run(data: &[u8]) {
    let Some((kind, tokens)) = data.split_first() else {
        return;
    };
    let tokens = &tokens[..tokens.len().min(3 * 24)];
    // Of a type that begins with a quoted word SQLite takes this word only, and of another
    // all words; so they are not compared.
    let begins_in_quotes = |which: usize| {
        tokens
            .get(which)
            .is_some_and(|how| (5..=9).contains(&(how % 12)))
    };
    if kind % 6 == 0 && (begins_in_quotes(1) || begins_in_quotes(2)) {
        return;
    }
    let (one, other) = (statement(*kind, tokens, 1), statement(*kind, tokens, 2));
    // It is only asked about statements that are in a schema.
    let (Ok((first, names)), Ok((second, more))) = (behaviour(&one), behaviour(&other)) else {
        return;
    };
    let names = names.union(&more).cloned().collect();
    if is_same(&one, &other, &names) {
        assert_eq!(first, second, "{one:?} and {other:?}");
    }
}

/// No name of one table is that of another, or what is a string in one would be taken for
/// a name in the other.
const BEFORE: &str = "CREATE TABLE t (a, b TEXT, \"c d\" INTEGER); CREATE TABLE u (y);
INSERT INTO t VALUES (1, 'x', 2), ('a', 'A', NULL), (1.5, '', 16);";

const VALUES: [&str; 9] = [
    "1", "'x'", "'X'", "NULL", "16", "'a'", "1.5", "x'4a'", "100",
];

/// What can be seen of an object, and the names that there are with it.
fn behaviour(sql: &str) -> Result<(String, BTreeSet<String>)> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(BEFORE)?;
    connection.execute_batch(sql)?;
    // What names something that is not there is dead, and is found by other means.
    connection.prepare("INSERT INTO t VALUES (1, 2, 3)")?;
    if sql.starts_with("CREATE VIEW") {
        connection.prepare("SELECT * FROM n")?;
    }
    let mut names = BTreeSet::from(["n", "t", "u"].map(str::to_owned));
    for table in ["n", "t", "u"] {
        let mut columns = connection.prepare("SELECT lower(name) FROM pragma_table_xinfo(?1)")?;
        let found = columns.query_map([table], |row| row.get(0))?;
        names.extend(found.collect::<Result<Vec<String>>>()?);
    }
    let is_table = sql.starts_with("CREATE TABLE");
    let table = if is_table { "n" } else { "t" };
    let width: usize = connection.query_row(
        "SELECT count(*) FROM pragma_table_info(?1)",
        [table],
        |row| row.get::<_, i64>(0).map(|count| count as usize),
    )?;
    let mut seen = String::new();
    for start in 0..VALUES.len() {
        let row: Vec<&str> = (0..width)
            .map(|at| VALUES[(start + at * 2) % VALUES.len()])
            .collect();
        let insert = format!("INSERT INTO {table} VALUES ({})", row.join(", "));
        seen.push_str(&format!(
            "{:?}\n",
            connection.execute_batch(&insert).is_ok()
        ));
    }
    let mut queries = vec![
        "SELECT * FROM t",
        "SELECT * FROM u",
        "SELECT * FROM n",
        "SELECT cid, desc, upper(coll), key FROM pragma_index_list('t') AS l, pragma_index_xinfo(l.name)",
        "SELECT lower(\"table\"), lower(\"from\"), lower(\"to\") FROM pragma_foreign_key_list('n')",
    ];
    if is_table {
        // A view's columns are called as they are written. What matters of a type is
        // what becomes of the rows.
        queries.push("SELECT lower(name), \"notnull\", pk, hidden FROM pragma_table_xinfo('n')");
    }
    for query in queries {
        seen.push_str(&rows(&connection, query));
    }
    Ok((seen, names))
}

fn rows(connection: &Connection, query: &str) -> String {
    let Ok(mut statement) = connection.prepare(query) else {
        return "none\n".to_owned();
    };
    let width = statement.column_count();
    let mut seen = String::new();
    let Ok(mut rows) = statement.query([]) else {
        return "none\n".to_owned();
    };
    while let Ok(Some(row)) = rows.next() {
        for column in 0..width {
            seen.push_str(&format!("{:?} ", row.get::<_, Value>(column)));
        }
        seen.push('\n');
    }
    seen
}
