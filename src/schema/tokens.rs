//! SQL taken apart into tokens.
//!
//! Owns what SQLite's tokenizer knows (sqlite.org/src/file/src/tokenize.c), and no
//! grammar. Allocates nothing for a text that is only looked at from its beginning.

use std::borrow::Cow;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword, a name or a number.
    Word,
    /// In brackets or backticks: a name, whatever it says.
    Name,
    /// In double quotes: a name, or else a string, because SQLite takes what names
    /// nothing for one (sqlite.org/quirks.html, section 8).
    Double,
    /// In single quotes, a blob too.
    String,
    /// Everything else.
    Sign,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    /// As it is written, with its quotes.
    pub(crate) text: &'a str,
    /// Whether there is a space or a comment before it.
    pub(super) spaced: bool,
}

impl<'a> Token<'a> {
    /// Without its quotes.
    pub(crate) fn content(&self) -> Cow<'a, str> {
        let quote = match self.kind {
            Kind::Word | Kind::String | Kind::Sign => return Cow::Borrowed(self.text),
            Kind::Name | Kind::Double => &self.text[..1],
        };
        let inner = self.text[1..].strip_suffix(closing(quote));
        let inner = inner.unwrap_or(&self.text[1..]);
        match inner.contains(quote) && quote != "[" {
            true => Cow::Owned(inner.replace(&quote.repeat(2), quote)),
            false => Cow::Borrowed(inner),
        }
    }

    /// Where it begins in the text that it was taken from.
    pub(crate) fn at(&self, text: &str) -> usize {
        self.text.as_ptr() as usize - text.as_ptr() as usize
    }

    /// A keyword or a name without quotes.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }
}

/// The tokens of a text, one after the other.
pub(crate) struct Tokens<'a> {
    rest: &'a str,
}

pub(crate) fn tokens(sql: &str) -> Tokens<'_> {
    Tokens { rest: sql }
}

impl<'a> Tokens<'a> {
    /// What is not yet taken apart.
    pub(crate) fn rest(&self) -> &'a str {
        self.rest
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    // By bytes, because it is done for each token of a script's CREATEs: no byte of a longer
    // character is one of these.
    fn next(&mut self) -> Option<Token<'a>> {
        let mut rest = self.rest;
        loop {
            let first = *rest.as_bytes().first()?;
            match blank_length(rest, first) {
                0 => {
                    let (kind, length) = token(rest, first);
                    let spaced = rest.len() < self.rest.len();
                    let (text, after) = rest.split_at(length);
                    self.rest = after;
                    return Some(Token { kind, text, spaced });
                }
                blank => rest = &rest[blank..],
            }
        }
    }
}

/// The length of the comment or white space that a text begins with.
fn blank_length(rest: &str, first: u8) -> usize {
    match first {
        b' ' | b'\t' | b'\n' | 0x0C | b'\r' => 1,
        b'-' if rest.starts_with("--") => rest.find('\n').map_or(rest.len(), |end| end + 1),
        b'/' if rest.starts_with("/*") => rest[2..].find("*/").map_or(rest.len(), |end| end + 4),
        // No other white space is any to SQLite: it is part of a name.
        0xEF if rest.starts_with('\u{FEFF}') => 3,
        _ => 0,
    }
}

/// What a text begins with, and how long that is.
fn token(rest: &str, first: u8) -> (Kind, usize) {
    let second = rest.as_bytes().get(1).copied().unwrap_or_default();
    match first {
        b'\'' => (Kind::String, quoted_length(rest, "'")),
        b'x' | b'X' if second == b'\'' => (Kind::String, 1 + quoted_length(&rest[1..], "'")),
        b'"' => (Kind::Double, quoted_length(rest, "\"")),
        b'`' => (Kind::Name, quoted_length(rest, "`")),
        b'[' => (Kind::Name, rest.find(']').map_or(rest.len(), |end| end + 1)),
        b'0'..=b'9' => (Kind::Word, number_length(rest)),
        b'.' if second.is_ascii_digit() => (Kind::Word, number_length(rest)),
        first if is_of_word(first) => {
            let end = rest.bytes().position(|byte| !is_of_word(byte));
            (Kind::Word, end.unwrap_or(rest.len()))
        }
        b'-' | b'|' | b'<' | b'>' | b'=' | b'!' => {
            let long = ["->>", "->", "||", "<=", "<>", "<<", ">=", ">>", "==", "!="];
            let sign = long.iter().find(|sign| rest.starts_with(**sign));
            (Kind::Sign, sign.map_or(1, |sign| sign.len()))
        }
        _ => (Kind::Sign, 1),
    }
}

fn closing(quote: &str) -> &str {
    if quote == "[" { "]" } else { quote }
}

/// The length of what begins with a quote, in which the doubled quote is one.
fn quoted_length(text: &str, quote: &str) -> usize {
    let mut at = 1;
    while let Some(end) = text[at..].find(quote) {
        at += end + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

fn number_length(text: &str) -> usize {
    let mut before = '0';
    let end = text.find(|c: char| {
        let signed_exponent = matches!(c, '+' | '-') && matches!(before, 'e' | 'E');
        let hexadecimal = text.starts_with("0x") || text.starts_with("0X");
        before = c;
        !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || (signed_exponent && !hexadecimal))
    });
    end.unwrap_or(text.len())
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}
