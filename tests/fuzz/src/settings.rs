//! A settings file in each language is read, or refused in one sentence. A byte order
//! mark changes nothing, and what is JSON is the same in JSON5.

use crate::{folder, is_one_line};
use litemigrate::internals::read_settings;

pub fn run(data: &[u8]) {
    let folder = folder("settings");
    let read = |name: &str, data: &[u8]| {
        let file = folder.join(name);
        std::fs::write(&file, data).expect("a file");
        let found = read_settings(&file);
        if let Err(error) = &found {
            assert!(is_one_line(&error.to_string()), "{error}");
        }
        let path = file.to_string_lossy().into_owned();
        found.map(|settings| format!("{settings:?}").replace(&path, "FILE"))
    };
    let mark = "\u{FEFF}".as_bytes();
    let marked = [mark, data].concat();
    for name in ["s.json", "s.json5", "s.toml", "s.yaml", "s.yml"] {
        let (plain, with_mark) = (read(name, data), read(name, &marked));
        if !data.starts_with(mark) {
            match (&plain, &with_mark) {
                // Where reading ended is told with the line.
                (Ok(one), Ok(other)) if !one.contains("Position") => {
                    assert_eq!(one, other, "{name}");
                }
                (one, other) => assert_eq!(one.is_ok(), other.is_ok(), "{name}"),
            }
        }
    }
    if let Ok(json) = read("s.json", data) {
        assert_eq!(read("s.json5", data).ok(), Some(json));
    }
    let _ = std::fs::remove_dir_all(&folder);
}
