//! Does a script come to the same whatever pieces it is read in?

use crate::support::{Sandbox, root};
use litemigrate::internals::set_window;
use litemigrate::rusqlite::Connection;
use litemigrate::{Error, Event, Options};
use std::path::{Path, PathBuf};

/// All that a run says and leaves, but for times.
fn outcome(directory: &Path, database: &Path) -> String {
    let mut all = String::new();
    let found = match litemigrate::read_dir(directory) {
        Ok(found) => found,
        Err(error) => return format!("{error}\n"),
    };
    let _ = std::fs::remove_file(database);
    let mut connection = Connection::open(database).unwrap();
    let result = litemigrate::up(
        &mut connection,
        &found.migrations,
        &Options::default(),
        &mut |event| {
            if let Event::Warning(warning) = event {
                all.push_str(&format!("{warning:?}\n"));
            }
        },
    );
    match result {
        Ok(summary) => all.push_str(&format!("{summary:?}\n")),
        Err(Error::Script(script)) => all.push_str(&format!("{script:?}\n")),
        Err(error) => all.push_str(&format!("{error}\n")),
    }
    let mut statement = connection
        .prepare("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name")
        .unwrap();
    let schema = statement.query_map([], |row| row.get::<_, String>(0));
    for line in schema.unwrap() {
        all.push_str(&line.unwrap());
        all.push('\n');
    }
    all
}

/// Every folder of scripts among the fixtures that touch no other file.
fn folders(below: &Path, found: &mut Vec<PathBuf>) {
    let (mut has_scripts, mut touches_others) = (false, false);
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            folders(&path, found);
        }
        if path.extension().is_some_and(|extension| extension == "sql") {
            let text = std::fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).to_uppercase();
            // A shorter one is one piece whatever the size.
            has_scripts |= text.len() > 1 << 10;
            // They would leave files here.
            touches_others |= text.contains("VACUUM INTO") || text.contains("ATTACH");
        }
    }
    if has_scripts && !touches_others {
        found.push(below.to_owned());
    }
}

/// Scripts that are longer than a piece, with all that may be cut in two.
fn long_scripts(base: &Path) -> Vec<PathBuf> {
    let filler = |count: usize| {
        let line = "INSERT INTO t VALUES ('häß;lich -- no comment', 1); -- é; ' \"\r\n/* ; ' */\n";
        line.repeat(count)
    };
    let trigger = format!(
        "CREATE TRIGGER tr AFTER INSERT ON t BEGIN {} END;\n",
        "UPDATE u SET x = x || ';'; ".repeat(400)
    );
    let head = "\u{FEFF}CREATE TABLE t (a, b); CREATE TABLE u (x);\r\n";
    let statement = format!("INSERT INTO t VALUES ('{}', 2);\n", "x;é".repeat(30_000));
    let one_line = "INSERT INTO u VALUES (1);".repeat(3000);
    let texts = [
        format!("{head}{}{trigger}{}{statement}", filler(300), filler(20)),
        format!(
            "{head}{}SELECT nosuch FROM t;\n{}",
            filler(300),
            filler(300)
        ),
        format!(
            "{head}{}INSERT INTO t VALUES (1);{}",
            filler(10),
            filler(300)
        ),
        format!("{head}{one_line}SELEC 1;{one_line}"),
        format!(
            "{head}{one_line}SELECT * FROM nosuch{}",
            " /* ; */".repeat(500)
        ),
        format!("{head}{}/* never closed {}", filler(100), filler(100)),
        format!(
            "{head}{}INSERT INTO u VALUES ('never closed {}",
            filler(100),
            "x".repeat(9000)
        ),
        format!("{head}{}INSERT INTO u VALUES (9)", filler(100)),
        format!("{head}{}-- the end", filler(100)),
        format!(
            "{head}{}PRAGMA nosuch; DROP TABLE u;{}",
            filler(100),
            "-- ;\n".repeat(3000)
        ),
        format!(
            "{head}{}INSERT INTO u VALUES (?1); BEGIN; COMMIT;",
            filler(100)
        ),
        format!(
            "{head}CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p ON DELETE CASCADE); INSERT INTO p VALUES (1); INSERT INTO c VALUES (1);{}REPLACE INTO p VALUES (1);",
            filler(100)
        ),
        format!(
            "-- no-transaction\n{head}{}SELECT 1 FROM nosuch;",
            filler(100)
        ),
    ];
    let mut made = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        let folder = base.join(format!("long{number}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("1_long.sql"), text).unwrap();
        made.push(folder);
    }
    let nul = base.join("nul");
    std::fs::create_dir_all(&nul).unwrap();
    std::fs::write(nul.join("1_nul.sql"), format!("{}\0;", filler(100))).unwrap();
    std::fs::write(
        nul.join("2_no_text.sql"),
        [filler(100).as_bytes(), b"'\xE9 x'\n;"].concat(),
    )
    .unwrap();
    made.push(nul);
    made
}

#[test]
fn pieces_of_any_size_come_to_the_same() {
    let base = std::env::temp_dir().join(format!("litemigrate-windows-{}", std::process::id()));
    std::fs::create_dir_all(&base).unwrap();
    let mut all = long_scripts(&base);
    folders(&root().join("fixtures"), &mut all);
    let database = base.join("windows.db");
    for folder in &all {
        set_window(1 << 30);
        let expected = outcome(folder, &database);
        for window in [1 << 10, 2 << 10, 3 << 10, 7 << 10, 64 << 10] {
            set_window(window);
            let found = outcome(folder, &database);
            let mut lines = found.lines().zip(expected.lines());
            let differs = lines.find(|(found, expected)| found != expected);
            assert_eq!(differs, None, "{}, in pieces of {window}", folder.display());
            assert_eq!(found.len(), expected.len(), "{}", folder.display());
        }
    }
    set_window(64 << 10);
    std::fs::remove_dir_all(&base).unwrap();
}

/// `check` reads in pieces, too.
#[test]
fn a_comment_that_is_never_closed_is_found_in_a_long_script() {
    let sandbox = Sandbox::new("windows");
    let line = "INSERT INTO t VALUES ('it''s /* no comment'); -- nor /* this\n";
    let head = "CREATE TABLE t (x);\n";
    sandbox.script("1_long.sql", format!("{head}{}", line.repeat(3000)));
    sandbox.script(
        "2_open.sql",
        format!(
            "{}SELECT 1; /* open {}",
            line.repeat(3000),
            line.repeat(3000)
        ),
    );
    let output = sandbox.run(&["check"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(
        stderr.contains("2_open.sql:3001:11: this comment"),
        "{stderr}"
    );
    assert!(!stderr.contains("1_long.sql:"), "{stderr}");
}

/// The line of a NUL byte is shown whole, also where a character of it is in two pieces.
#[test]
fn the_line_of_a_nul_byte_is_shown_whole() {
    let sandbox = Sandbox::new("windows-nul");
    let text = format!("{}\n", "-".repeat(99)).repeat(655);
    let line = format!("a\0{}\u{e9}z", "b".repeat(65535 - text.len() - 2));
    sandbox.script("1_nul.sql", format!("{text}{line}\n{text}"));
    let output = sandbox.run(&["check"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("b\u{e9}z"), "{stderr}");
}

/// What stands at a file's beginning is seen in a long one, and a long beginning of
/// nothing is not taken for all.
#[test]
fn the_head_of_a_long_script_is_its_head() {
    let sandbox = Sandbox::new("windows-head");
    let line = "INSERT INTO t VALUES ('it');\n";
    let (mark, head) = ("\u{FEFF}", "-- no-transaction\nCREATE TABLE t (x);\n");
    sandbox.script("1_long.sql", format!("{mark}{head}{}", line.repeat(9000)));
    sandbox.script("2_blank.sql", format!("{}{line}", "\n".repeat(200_000)));
    let output = sandbox.run(&["up"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("1_long.sql:1:1: the byte order mark"),
        "{stderr}"
    );
    assert!(!stderr.contains("2_blank.sql"), "{stderr}");
    assert_eq!(sandbox.query("SELECT count(*) FROM t"), "9001");
}

/// A script that is exchanged while it is read is not applied; outside a transaction it is
/// told that what it has done stays.
#[test]
fn a_script_that_changes_while_it_is_read_is_not_applied() {
    let sandbox = Sandbox::new("windows-changed");
    let line = "INSERT INTO t VALUES ('it');\n";
    let inside = format!("CREATE TABLE t (x);\n{}", line.repeat(9000));
    let other = inside.replace("'it'", "'at'");
    for head in ["", "-- no-transaction\n"] {
        let text = format!("{head}{inside}");
        sandbox.script("1_a.sql", &text);
        let list = litemigrate::read_dir(&sandbox.path.join("migrations")).unwrap();
        let mut connection = Connection::open_in_memory().unwrap();
        let options = Options::default();
        let exchange = &mut |event: Event<'_>| {
            if let Event::Started(_) = event {
                sandbox.script("1_a.sql", format!("{head}{other}"));
            }
        };
        let result = litemigrate::up(&mut connection, &list.migrations, &options, exchange);
        let made = "SELECT count(*) FROM sqlite_schema WHERE name = 't'";
        let made: i64 = connection.query_row(made, [], |row| row.get(0)).unwrap();
        match result.unwrap_err() {
            Error::Changed { .. } => assert_eq!((head, made), ("", 0)),
            Error::Script(script) => {
                assert_eq!((head.is_empty(), made), (false, 1), "{script:?}");
                assert!(script.statements_kept > 0, "{script:?}");
                assert!(script.message.contains("has changed"), "{script:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}
