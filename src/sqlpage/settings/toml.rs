//! The root of a TOML file: names, and those values that are plain.
//!
//! Owns what TOML 1.1 looks like, as far as finding the next name needs it. Never
//! guesses: what it cannot read is an error, and what it reads and does not need is
//! [`Value::Other`]. Knows no setting by name.

use super::escapes::escaped;
use super::{Entry, Unreadable, Value};

/// How deep arrays and inline tables may stand in each other.
const DEPTH: usize = 100;

pub(super) fn entries(text: &str) -> Result<Vec<Entry>, Unreadable> {
    let mut reader = Reader { text, at: 0 };
    let mut entries = Vec::new();
    let mut in_root = true;
    loop {
        reader.skip_between_lines()?;
        let at = reader.at;
        if reader.rest().is_empty() {
            return Ok(entries);
        }
        if reader.takes("[") {
            in_root = false;
            let is_list = reader.takes("[");
            let (key, _) = reader.key()?;
            reader.expect(if is_list { "]]" } else { "]" })?;
            let value = Value::Other;
            entries.push(Entry {
                key,
                value,
                at: Some(at),
            });
        } else {
            let (key, is_dotted) = reader.key()?;
            reader.expect("=")?;
            let value = reader.value(0)?;
            if in_root {
                let value = if is_dotted { Value::Other } else { value };
                entries.push(Entry {
                    key,
                    value,
                    at: Some(at),
                });
            }
        }
        reader.end_of_line()?;
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn wrong<T>(&self) -> Result<T, Unreadable> {
        Err(Unreadable::at(self.at))
    }

    fn takes(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn expect(&mut self, word: &str) -> Result<(), Unreadable> {
        self.skip_blanks();
        match self.takes(word) {
            true => Ok(()),
            false => self.wrong(),
        }
    }

    fn skip_while(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip_blanks(&mut self) {
        self.skip_while(|c| c == ' ' || c == '\t');
    }

    /// Blanks, comments and ends of lines.
    fn skip_between_lines(&mut self) -> Result<(), Unreadable> {
        loop {
            self.skip_blanks();
            if self.takes("#") {
                self.skip_while(|c| !is_control(c));
            }
            let is_end = self.takes("\n") || self.takes("\r\n");
            if !is_end {
                return match self.rest().starts_with(is_control) {
                    true => self.wrong(),
                    false => Ok(()),
                };
            }
        }
    }

    fn end_of_line(&mut self) -> Result<(), Unreadable> {
        self.skip_blanks();
        match self.rest().chars().next() {
            None | Some('#' | '\n' | '\r') => Ok(()),
            Some(_) => self.wrong(),
        }
    }

    /// The first part of a name, and whether there are more.
    fn key(&mut self) -> Result<(String, bool), Unreadable> {
        let mut first = None;
        let mut is_dotted = false;
        loop {
            self.skip_blanks();
            let part = match self.rest().chars().next() {
                Some('"') => self.basic()?,
                Some('\'') => self.literal()?,
                _ => {
                    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                    let part = self.skip_while(bare).to_owned();
                    if part.is_empty() {
                        return self.wrong();
                    }
                    part
                }
            };
            is_dotted |= first.is_some();
            let key = first.get_or_insert(part);
            self.skip_blanks();
            if !self.takes(".") {
                return Ok((std::mem::take(key), is_dotted));
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Unreadable> {
        self.skip_blanks();
        if depth > DEPTH {
            return self.wrong();
        }
        let rest = self.rest();
        if rest.starts_with("\"\"\"") || rest.starts_with("'''") {
            self.skip_several_lines(&rest[..3])?;
            return Ok(Value::Other);
        }
        match rest.chars().next() {
            Some('"') => self.basic().map(Value::Text),
            Some('\'') => self.literal().map(Value::Text),
            Some('[') => self.array(depth),
            Some('{') => self.table(depth),
            _ => self.bare(),
        }
    }

    /// In double quotes.
    fn basic(&mut self) -> Result<String, Unreadable> {
        self.at += 1;
        let mut value = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return self.wrong();
            };
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(value);
                }
                '\\' => {
                    let Some((c, length)) = escaped(self.rest()) else {
                        return self.wrong();
                    };
                    value.push(c);
                    self.at += length;
                }
                c if is_control(c) => return self.wrong(),
                c => {
                    value.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    /// In single quotes, where nothing is escaped.
    fn literal(&mut self) -> Result<String, Unreadable> {
        self.at += 1;
        let value = self.skip_while(|c| c != '\'' && !is_control(c));
        match self.takes("'") {
            true => Ok(value.to_owned()),
            false => self.wrong(),
        }
    }

    /// A string of several lines, which only has an end here.
    fn skip_several_lines(&mut self, quotes: &str) -> Result<(), Unreadable> {
        self.at += quotes.len();
        loop {
            if self.takes(quotes) {
                // Two more may belong to it.
                let _ = self.takes(&quotes[..1]) && self.takes(&quotes[..1]);
                return Ok(());
            }
            let mut after = self.rest().chars();
            match after.next() {
                None => return self.wrong(),
                Some('\\') if quotes.starts_with('"') => {
                    self.at += 1 + after.next().map_or(0, char::len_utf8);
                }
                Some(c) => self.at += c.len_utf8(),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Unreadable> {
        self.at += 1;
        let mut items = Some(Vec::new());
        loop {
            self.skip_between_lines()?;
            if self.takes("]") {
                break;
            }
            match (self.value(depth + 1)?, &mut items) {
                (Value::Text(item), Some(items)) => items.push(item),
                _ => items = None,
            }
            self.skip_between_lines()?;
            if !self.takes(",") {
                self.expect("]")?;
                break;
            }
        }
        Ok(items.map_or(Value::Other, Value::List))
    }

    fn table(&mut self, depth: usize) -> Result<Value, Unreadable> {
        self.at += 1;
        loop {
            self.skip_between_lines()?;
            if self.takes("}") {
                break;
            }
            self.key()?;
            self.expect("=")?;
            self.value(depth + 1)?;
            self.skip_between_lines()?;
            if !self.takes(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(Value::Other)
    }

    /// A number, a date, true or false.
    fn bare(&mut self) -> Result<Value, Unreadable> {
        let part = |c: char| c.is_ascii_alphanumeric() || "+-_.:".contains(c);
        if self.skip_while(part).is_empty() {
            return self.wrong();
        }
        // A time may stand after a date, with a space between.
        let rest = self.rest();
        let time = rest.strip_prefix(' ').unwrap_or_default();
        if time.starts_with(|c: char| c.is_ascii_digit()) {
            self.at += 1;
            self.skip_while(part);
        }
        Ok(Value::Other)
    }
}

fn is_control(c: char) -> bool {
    c.is_ascii_control() && c != '\t'
}
