//! A file name is taken apart, whatever it holds; excerpts are made of any text.

use litemigrate::Position;
use litemigrate::internals::{NameVerdict, difference, parse_name};
use std::path::Path;

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let NameVerdict::Migration(name) = parse_name(&text) {
        assert!(text.starts_with(['+', '-']) || text.starts_with(|c: char| c.is_ascii_digit()));
        assert!(!name.description.contains('_'));
    }
    for offset in 0..text.len().min(64) {
        let position = Position::new(Path::new(&*text), &text, offset);
        let [line, caret] = position.excerpt();
        assert!(!line.contains(['\n', '\x1b', '\u{202e}']) && caret.ends_with('^'));
        assert!(!position.to_string().contains(['\n', '\x1b']));
    }
    assert_eq!(difference(data, b"no checksum"), None);
}
