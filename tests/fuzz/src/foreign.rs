//! A script of any other tool is converted, or refused in one sentence; what it becomes
//! is made of its own lines and, at its head, `-- no-transaction`.
//!
//! The first byte is the tool; a second file, the way back, comes after a NUL.

use crate::{folder, is_one_line};
use litemigrate::internals::convert_foreign;

const TOOLS: [(&str, &str, &str); 12] = [
    ("dbmate", "20240101000000_a.sql", ""),
    ("goose", "00001_a.sql", ""),
    ("sql-migrate", "1_a.sql", ""),
    ("golang-migrate", "1_a.up.sql", "1_a.down.sql"),
    ("refinery", "V1__a.sql", ""),
    (
        "diesel",
        "2024-01-01-000000_a/up.sql",
        "2024-01-01-000000_a/down.sql",
    ),
    ("flyway", "V1__a.sql", "U1__a.sql"),
    ("prisma", "20240101000000_a/migration.sql", ""),
    ("drizzle", "0000_a.sql", ""),
    ("d1", "0001_a.sql", ""),
    ("atlas", "20240101000000_a.sql", ""),
    ("rusqlite", "01-a/up.sql", "01-a/down.sql"),
];

pub fn run(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else {
        return;
    };
    let (tool, up, down) = TOOLS[usize::from(*kind) % TOOLS.len()];
    let folder = folder("foreign");
    let mut texts = text.splitn(2, |byte| *byte == 0);
    for name in [up, down] {
        if let Some(text) = texts.next()
            && !name.is_empty()
        {
            let file = folder.join(name);
            if let Some(parent) = file.parent() {
                std::fs::create_dir_all(parent).expect("a folder");
            }
            std::fs::write(file, text).expect("a file");
        }
    }
    let text = String::from_utf8_lossy(text);
    for converted in convert_foreign(tool, &folder) {
        match converted {
            Ok(scripts) => {
                for line in scripts.iter().flat_map(|script| script.lines()) {
                    // A statement that goose takes between two of its lines may have no end.
                    let is_ours = ["-- no-transaction", ";"].contains(&line);
                    let is_own = is_ours || text.contains(line);
                    assert!(is_own, "{tool}: {line:?} of {text:?}");
                }
            }
            Err(message) => assert!(is_one_line(&message), "{message:?}"),
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
}
