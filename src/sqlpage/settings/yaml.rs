//! The root of a YAML file: names, and those values that are plain.
//!
//! Owns the small part of YAML that is read here: lines `name: value` that begin at
//! the first column, a value on one line, a list on one line or as lines of `- `.
//! Never guesses: what else there is of YAML may stand in the values of other
//! settings, and wherever it could hide a name, it is an error.

use super::escapes::escaped;
use super::{Entry, Unreadable, Value};

/// The settings; `names` are those whose values are wanted. A file that spells none of
/// them in any way has no entries, whatever else it holds.
pub(super) fn entries(text: &str, names: &[&str]) -> Result<Vec<Entry>, Unreadable> {
    let mentions = |text: &str| names.iter().any(|name| text.contains(name));
    let by_escapes = ["\\x", "\\u", "\\U", "\\\n", "\\\r"];
    if !mentions(text) && !by_escapes.iter().any(|escape| text.contains(escape)) {
        return Ok(Vec::new());
    }
    let mut reader = Reader {
        names,
        entries: Vec::new(),
        last: Last::Nothing,
        open: Open::default(),
    };
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let content = line.strip_suffix('\n').unwrap_or(line);
        let content = content.strip_suffix('\r').unwrap_or(content);
        // A lone carriage return is an end of line, too.
        if let Some(inside) = content.find('\r') {
            return Err(Unreadable::at(at + inside));
        }
        reader.line(content, at)?;
        at += line.len();
    }
    match reader.open.is_closed() {
        true => Ok(reader.entries),
        false => Err(Unreadable::at(text.len())),
    }
}

/// What stands before a line.
enum Last {
    Nothing,
    /// The line `---`.
    Document,
    /// A setting that is not wanted, and whether its value has begun.
    Other {
        begun: bool,
    },
    /// One whose value is lines of text, further in.
    Text,
    /// One that is, whole.
    Whole,
    /// One that is, whose value has not begun.
    Empty,
    /// One that is, whose items stand at this column.
    Items(usize),
}

struct Reader<'a> {
    names: &'a [&'a str],
    entries: Vec<Entry>,
    last: Last,
    open: Open,
}

impl Reader<'_> {
    fn line(&mut self, line: &str, at: usize) -> Result<(), Unreadable> {
        let trimmed = line.trim_start_matches(' ');
        let column = line.len() - trimmed.len();
        let wrong = Err(Unreadable::at(at + column));
        if !self.open.is_closed() {
            // What hides in there is not looked for.
            if self.names.iter().any(|name| line.contains(name)) {
                return wrong;
            }
            self.open.scan(line).map_err(|()| Unreadable::at(at))?;
            return Ok(());
        }
        if trimmed.trim_start().is_empty() || trimmed.starts_with('#') {
            return Ok(());
        }
        if column == 0 {
            if ["---", "...", "%"]
                .iter()
                .any(|mark| line.starts_with(mark))
            {
                let is_first = matches!(self.last, Last::Nothing) && line.trim_end() == "---";
                self.last = Last::Document;
                return if is_first { Ok(()) } else { wrong };
            }
            if !is_item(line) {
                return self.setting(line, at);
            }
        }
        match self.last {
            Last::Other { begun } if column > 0 || !begun => {
                self.open = Open::of_nested(trimmed).map_err(|()| Unreadable::at(at + column))?;
                Ok(())
            }
            Last::Text if column > 0 => Ok(()),
            Last::Empty if is_item(trimmed) => {
                self.last = Last::Items(column);
                self.item(trimmed, at + column)
            }
            Last::Items(items) if items == column && is_item(trimmed) => {
                self.item(trimmed, at + column)
            }
            _ => wrong,
        }
    }

    /// A line of the root.
    fn setting(&mut self, line: &str, at: usize) -> Result<(), Unreadable> {
        let wrong = Err(Unreadable::at(at));
        let (key, after) = match line.chars().next() {
            Some('"' | '\'') => {
                let Some((key, length)) = quoted(line) else {
                    return wrong;
                };
                (key, line[length..].trim_start_matches(' '))
            }
            _ => {
                let colon = line
                    .find(": ")
                    .or(line.ends_with(':').then(|| line.len() - 1));
                let (Some(colon), false) = (colon, begins_otherwise(line)) else {
                    return wrong;
                };
                (line[..colon].trim_end().to_owned(), &line[colon..])
            }
        };
        let is_plain = !key.contains(['\t', '#', '"', '\'']) && !key.contains(": ");
        let value = match after.strip_prefix(':') {
            Some(value) if is_plain && (value.is_empty() || value.starts_with(' ')) => {
                value.trim_start_matches(' ')
            }
            _ => return wrong,
        };
        let is_wanted = self.names.iter().any(|name| {
            let rest = key.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        });
        if !is_wanted {
            self.open = Open::of_value(value).map_err(|()| Unreadable::at(at))?;
            self.last = match value.chars().next() {
                Some('|' | '>') => Last::Text,
                first => Last::Other {
                    begun: first.is_some_and(|first| first != '#'),
                },
            };
            // For a word about its spelling.
            let value = Value::Other;
            self.entries.push(Entry {
                key,
                value,
                at: Some(at),
            });
            return Ok(());
        }
        let value_at = at + line.len() - value.len();
        let value = match value.chars().next() {
            None | Some('#') => {
                self.last = Last::Empty;
                Value::Null
            }
            Some(first) => {
                self.last = Last::Whole;
                let read = match first {
                    '[' => list(value),
                    _ => scalar(value, "")
                        .filter(|(_, rest)| is_end(rest))
                        .map(|(value, _)| value),
                };
                match read {
                    Some(value) => value,
                    None => return Err(Unreadable::at(value_at)),
                }
            }
        };
        self.entries.push(Entry {
            key,
            value,
            at: Some(at),
        });
        Ok(())
    }

    /// A line of a list that is wanted.
    fn item(&mut self, line: &str, at: usize) -> Result<(), Unreadable> {
        let value = line[1..].trim_start_matches(' ');
        let read = scalar(value, "").filter(|(_, rest)| is_end(rest));
        let (Some((Value::Text(text), _)), Some(entry)) = (read, self.entries.last_mut()) else {
            return Err(Unreadable::at(at));
        };
        match &mut entry.value {
            Value::List(items) => items.push(text),
            value => *value = Value::List(vec![text]),
        }
        Ok(())
    }
}

fn is_item(line: &str) -> bool {
    line == "-" || line.starts_with("- ")
}

/// Nothing, or a comment.
fn is_end(rest: &str) -> bool {
    let after = rest.trim_start_matches(' ');
    after.is_empty() || (after.starts_with('#') && after.len() < rest.len())
}

/// Whether a value or a name begins with something that is not part of it.
fn begins_otherwise(text: &str) -> bool {
    text.starts_with(|c: char| "-?:,[]{}#&*!|>'\"%@`".contains(c) || c.is_whitespace())
}

/// A list on one line.
fn list(text: &str) -> Option<Value> {
    let mut items = Vec::new();
    let mut rest = text.strip_prefix('[')?.trim_start_matches(' ');
    loop {
        if let Some(after) = rest.strip_prefix(']') {
            return is_end(after).then_some(Value::List(items));
        }
        let (Value::Text(item), after) = scalar(rest, ",[]{}")? else {
            return None;
        };
        items.push(item);
        rest = after.trim_start_matches(' ');
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start_matches(' '),
            None if rest.starts_with(']') => {}
            None => return None,
        }
    }
}

/// A value that is not a list, and what stands after it; `ends` end one without quotes.
fn scalar<'a>(text: &'a str, ends: &str) -> Option<(Value, &'a str)> {
    if text.starts_with(['"', '\'']) {
        let (value, length) = quoted(text)?;
        return Some((Value::Text(value), &text[length..]));
    }
    if begins_otherwise(text) {
        return None;
    }
    let end = text.find(|c| ends.contains(c)).unwrap_or(text.len());
    let plain = &text[..end];
    let comment = plain.find(" #").unwrap_or(plain.len());
    let plain = plain[..comment].trim_end_matches(' ');
    let is_odd = plain.is_empty()
        || plain.contains(": ")
        || plain.ends_with(':')
        || (!ends.is_empty() && plain.contains(':'))
        || plain
            .chars()
            .any(|c| c.is_control() || "\u{2028}\u{2029}\u{FEFF}".contains(c));
    if is_odd {
        return None;
    }
    Some((resolved(plain), &text[plain.len()..]))
}

/// What stands there without quotes is not always text.
fn resolved(plain: &str) -> Value {
    let word = plain.to_ascii_lowercase();
    let number = word.trim_start_matches(['+', '-', '.']);
    let others = [
        "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf",
    ];
    let is_other = others.contains(&number)
        || number.starts_with(|c: char| c.is_ascii_digit())
            && number
                .chars()
                .all(|c| c.is_ascii_hexdigit() || "xo_+-.:".contains(c));
    match word.as_str() {
        "~" | "null" => Value::Null,
        _ if is_other => Value::Other,
        _ => Value::Text(plain.to_owned()),
    }
}

/// What the quotes that `text` begins with hold, and how many bytes that took.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut at = 1;
    loop {
        let rest = text.get(at..)?;
        let c = rest.chars().next()?;
        at += c.len_utf8();
        match c {
            '\'' if text.starts_with('\'') => {
                if !rest.starts_with("''") {
                    return Some((value, at));
                }
                value.push('\'');
                at += 1;
            }
            '"' if text.starts_with('"') => return Some((value, at)),
            '\\' if text.starts_with('"') => {
                let (c, length) = escaped(rest)?;
                value.push(c);
                at += length - 1;
            }
            c if c.is_control() => return None,
            c => value.push(c),
        }
    }
}

/// Quotes and brackets that a line has left open.
#[derive(Default)]
struct Open {
    quote: Option<char>,
    brackets: usize,
}

impl Open {
    fn is_closed(&self) -> bool {
        self.quote.is_none() && self.brackets == 0
    }

    /// Of a line below a setting, which may be anything.
    fn of_nested(line: &str) -> Result<Self, ()> {
        if line.contains('\t') {
            return Err(());
        }
        let mut value = line;
        while let Some(item) = value.strip_prefix("- ") {
            value = item.trim_start_matches(' ');
        }
        if !value.starts_with(['"', '\'', '[', '{', '&', '!'])
            && let Some(colon) = value.find(": ")
        {
            value = value[colon + 1..].trim_start_matches(' ');
        }
        Self::of_value(value)
    }

    fn of_value(value: &str) -> Result<Self, ()> {
        // A tab may stand before what opens, or not.
        if value.contains('\t') {
            return Err(());
        }
        let mut open = Self::default();
        let after = open.begin(value)?.trim_start_matches(' ');
        // What was in quotes or brackets was a name.
        if let Some(value) = after.strip_prefix(": ") {
            open.begin(value.trim_start_matches(' '))?;
        }
        Ok(open)
    }

    /// Goes over a value, and gives back what stands after it.
    fn begin<'a>(&mut self, value: &'a str) -> Result<&'a str, ()> {
        let mut value = value;
        // A name or a type of it.
        while value.starts_with(['&', '!']) {
            let end = value.find(' ').unwrap_or(value.len());
            value = value[end..].trim_start_matches(' ');
        }
        match value.starts_with(['"', '\'', '[', '{']) {
            true => self.scan(value),
            false => Ok(""),
        }
    }

    /// Goes over a line, or what is left of one, until all is closed, and gives back
    /// what stands after that. A quote where none can begin is an error, for it would
    /// say nothing about what is open.
    fn scan<'a>(&mut self, line: &'a str) -> Result<&'a str, ()> {
        let mut before = ' ';
        let mut last_sign = match self.brackets {
            0 => ' ',
            _ => ',',
        };
        let mut characters = line.chars();
        while let Some(c) = characters.next() {
            match (self.quote, c) {
                (Some('"'), '\\') => {
                    let _ = characters.next();
                }
                (Some(quote), c) if c == quote => self.quote = None,
                (Some(_), _) => {}
                (None, '#') if before == ' ' || before == '\t' => return Ok(""),
                (None, '"' | '\'') => match last_sign {
                    ' ' | '[' | '{' | ',' | ':' => self.quote = Some(c),
                    quote if quote == c && before == c => self.quote = Some(c),
                    _ => return Err(()),
                },
                (None, '[' | '{') => self.brackets += 1,
                (None, ']' | '}') => self.brackets = self.brackets.saturating_sub(1),
                (None, _) => {}
            }
            before = c;
            if !c.is_whitespace() {
                last_sign = c;
            }
            if self.is_closed() && !characters.as_str().starts_with(c) {
                return Ok(characters.as_str());
            }
        }
        Ok("")
    }
}
