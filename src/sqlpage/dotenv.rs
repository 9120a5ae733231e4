//! `.env`: which one counts, and what its lines set, exactly as dotenvy 0.15 reads it.
//!
//! Owns that grammar, odd corners included: SQLPage loads the file before anything
//! else, so whatever it makes of a line is what a site's database is. Follows
//! `find.rs`, `iter.rs` and `parse.rs` of dotenvy. Sets nothing in this process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// How long a value that others are put into may be, in bytes.
const LONGEST: usize = 64 << 10;

/// The `.env` of the directory, or of the nearest one above it that has one.
///
/// # Errors
///
/// Where the system does not tell; dotenvy looks no further either.
pub(super) fn find(directory: &Path) -> Result<Option<PathBuf>, (PathBuf, std::io::Error)> {
    for directory in directory.ancestors() {
        let candidate = directory.join(".env");
        match std::fs::metadata(&candidate) {
            Ok(metadata) if metadata.is_file() => return Ok(Some(candidate)),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err((candidate, error)),
        }
    }
    Ok(None)
}

/// Reads lines until one cannot be read, and hands what they set to `set` unless
/// `known`, the environment, has it: then that stays. Gives back where the line
/// begins that could not be read, if there is one.
pub(super) fn load(
    text: &[u8],
    known: &mut HashMap<String, String>,
    set: &mut dyn FnMut(String, String),
) -> Option<usize> {
    let mut rest = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    while !rest.is_empty() {
        let start = text.len() - rest.len();
        let Some(line) = logical_line(&mut rest) else {
            return Some(start);
        };
        match assignment(&line, known) {
            Err(Unreadable) => return Some(start),
            Ok(None) => {}
            Ok(Some((key, value))) => {
                if !known.contains_key(&key) {
                    known.insert(key.clone(), value.clone());
                    set(key, value);
                }
            }
        }
    }
    None
}

/// A line that dotenvy stops at.
struct Unreadable;

#[derive(Clone, Copy, PartialEq)]
enum State {
    Complete,
    Escape,
    Strong,
    StrongEscape,
    Weak,
    WeakEscape,
    Comment,
    WhiteSpace,
}

/// Takes the next line off `rest`, with those after it that a quote or a backslash
/// joins to it, and without its comment.
fn logical_line(rest: &mut &[u8]) -> Option<String> {
    let mut line = String::new();
    let mut state = State::Complete;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (piece, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
        *rest = after;
        let before = line.len();
        line.push_str(std::str::from_utf8(piece).ok()?);
        if before == 0 && line.trim_start().starts_with('#') {
            return Some(String::new());
        }
        let (at, found) = end_state(state, &line[before..]);
        state = found;
        if state == State::Comment {
            line.truncate(before + at);
            return Some(line);
        }
        if state == State::Complete {
            let ended = line.strip_suffix('\n').map(str::len);
            let whole = ended.unwrap_or(line.len());
            let shorter = line[..whole].strip_suffix('\r').map(str::len);
            line.truncate(shorter.filter(|_| ended.is_some()).unwrap_or(whole));
            return Some(line);
        }
    }
    None
}

fn end_state(mut state: State, piece: &str) -> (usize, State) {
    let mut at = 0;
    for (index, c) in piece.char_indices() {
        at = index;
        state = match (state, c) {
            (State::WhiteSpace, '#') => return (at, State::Comment),
            (State::Weak, '\\') => State::WeakEscape,
            (State::Strong, '\\') => State::StrongEscape,
            (State::Weak, '"') | (State::Strong, '\'') | (State::Escape, _) => State::Complete,
            (State::Weak | State::WeakEscape, _) => State::Weak,
            (State::Strong | State::StrongEscape, _) => State::Strong,
            (_, '\\') => State::Escape,
            (_, '"') => State::Weak,
            (_, '\'') => State::Strong,
            (State::Complete, c) if c.is_whitespace() && c != '\n' && c != '\r' => {
                State::WhiteSpace
            }
            _ => State::Complete,
        };
    }
    (at, state)
}

/// The name and value that a line sets, if it is not blank.
fn assignment(
    line: &str,
    known: &HashMap<String, String>,
) -> Result<Option<(String, String)>, Unreadable> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (mut key, mut rest) = split_key(line)?;
    // `export` is a word before the name, or a name.
    if key == "export" && !rest.starts_with('=') {
        (key, rest) = split_key(rest)?;
    }
    let rest = rest.strip_prefix('=').ok_or(Unreadable)?.trim_start();
    if rest.is_empty() || rest.starts_with('#') {
        return Ok(Some((key.to_owned(), String::new())));
    }
    let value = value_of(rest, known)?;
    // The system takes no NUL: there SQLPage ends.
    match value.contains('\0') {
        true => Err(Unreadable),
        false => Ok(Some((key.to_owned(), value))),
    }
}

fn split_key(text: &str) -> Result<(&str, &str), Unreadable> {
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !text.starts_with(starts) {
        return Err(Unreadable);
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    Ok((&text[..end], text[end..].trim_start()))
}

#[derive(PartialEq)]
enum Substitution {
    None,
    /// After `$`.
    Bare,
    /// After `${`.
    Braced,
}

fn value_of(text: &str, known: &HashMap<String, String>) -> Result<String, Unreadable> {
    let (mut strong, mut weak, mut escaped, mut ended) = (false, false, false, false);
    let mut substitution = Substitution::None;
    let mut name = String::new();
    let mut value = String::new();
    for c in text.chars() {
        if ended {
            match c {
                ' ' | '\t' => continue,
                '#' => break,
                _ => return Err(Unreadable),
            }
        } else if escaped {
            match c {
                '\\' | '\'' | '"' | '$' | ' ' => value.push(c),
                'n' => value.push('\n'),
                _ => return Err(Unreadable),
            }
            escaped = false;
        } else if strong {
            match c {
                '\'' => strong = false,
                _ => value.push(c),
            }
        } else if substitution != Substitution::None {
            match substitution {
                _ if c.is_alphanumeric() => name.push(c),
                Substitution::Braced if c != '}' => name.push(c),
                Substitution::Bare if c == '{' && name.is_empty() => {
                    substitution = Substitution::Braced;
                }
                _ => {
                    substitute(&mut value, &mut name, known)?;
                    let was_bare = substitution == Substitution::Bare;
                    substitution = Substitution::None;
                    if was_bare && c == '$' {
                        substitution = Substitution::Bare;
                    } else if was_bare {
                        // Whatever it is, a closing quote too.
                        value.push(c);
                    }
                }
            }
        } else {
            match c {
                '$' => substitution = Substitution::Bare,
                '"' => weak = !weak,
                '\\' => escaped = true,
                _ if weak => value.push(c),
                '\'' => strong = true,
                ' ' | '\t' => ended = true,
                _ => value.push(c),
            }
        }
    }
    if substitution == Substitution::Braced || strong || weak {
        return Err(Unreadable);
    }
    substitute(&mut value, &mut name, known)?;
    Ok(value)
}

/// Values that are made of others can double with each line.
fn substitute(
    value: &mut String,
    name: &mut String,
    known: &HashMap<String, String>,
) -> Result<(), Unreadable> {
    let other = known.get(name).map_or("", String::as_str);
    if value.len() + other.len() > LONGEST {
        return Err(Unreadable);
    }
    value.push_str(other);
    name.clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::load;
    use std::collections::HashMap;

    /// What the real dotenvy makes of them too: `make oracle` compares far more.
    #[test]
    fn lines_set_what_dotenvy_says() {
        for (text, expected, stopped) in [
            ("A=1\nA=2\nB=$A\n", "A=1;B=1;", None),
            (
                "\u{FEFF}export A = 'x y' # c\r\nexport=2",
                "A=x y;export=2;",
                None,
            ),
            ("A=\"a\\n\\$B\"'$C'${SET}d", "A=a\n$B$Csetd;", None),
            ("SET=other\nA=$SET", "A=set;", None),
            ("A=\"one\ntwo\"\nB=x\\ y", "A=one\ntwo;B=x y;", None),
            ("A=a#b\nB= # c\nC=d #e", "A=a#b;B=;C=d;", None),
            ("A=1\nB=two words\nC=3", "A=1;", Some(4)),
            ("A=1\nB=\"$SET\"", "A=1;", Some(4)),
            ("A=1\nB=1 ", "A=1;", Some(4)),
            ("A=1\nB", "A=1;", Some(4)),
        ] {
            let mut known = HashMap::from([("SET".to_owned(), "set".to_owned())]);
            let mut set = String::new();
            let found = load(text.as_bytes(), &mut known, &mut |key, value| {
                set.extend([key.as_str(), "=", value.as_str(), ";"]);
            });
            assert_eq!((set.as_str(), found), (expected, stopped), "{text:?}");
        }
        let mut known = HashMap::new();
        let found = load(b"A=1\nB=\xFF", &mut known, &mut |_, _| {});
        assert_eq!((found, known.len()), (Some(4), 1));
    }
}
