//! In what an edited script differs from the one that was applied.
//!
//! Owns the spellings of a text that editors and git make of it: line endings, byte order
//! mark, final newline. Knows the other one by its checksum only.

use sha2::{Digest, Sha384};
use std::fmt;

/// How an edited script differs from the one that was applied, where that can
/// be told from the recorded checksum alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// Only in LF and CRLF.
    LineEndings,
    /// Only in the byte order mark at its start.
    ByteOrderMark,
    /// Only in the newline at its end.
    FinalNewline,
    /// In several of these, and in nothing else.
    Several,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineEndings => "line endings",
            Self::ByteOrderMark => "the byte order mark",
            Self::FinalNewline => "the newline at its end",
            Self::Several => "line endings, byte order mark or final newline",
        })
    }
}

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Every spelling of a text that differs only in line endings, byte order mark and final
/// newline: all hashed in one pass over it, those that have a beginning in common together.
#[derive(Default)]
pub(crate) struct Spellings {
    /// What cannot be hashed yet: at first whether there is a mark is not known, then
    /// whether a line ends there, and how.
    held: Vec<u8>,
    has_mark: Option<bool>,
    as_it_is: Marked,
    /// From where on they are not the same as that.
    with_lf: Option<Marked>,
    with_crlf: Option<Marked>,
    /// Room for a piece with other line endings.
    lines: Vec<u8>,
}

/// A text without a byte order mark and with one.
#[derive(Clone)]
struct Marked([Sha384; 2]);

impl Default for Marked {
    fn default() -> Self {
        Self([Sha384::new(), Sha384::new().chain_update(BOM)])
    }
}

impl Marked {
    fn update(&mut self, bytes: &[u8]) {
        self.0.iter_mut().for_each(|hasher| hasher.update(bytes));
    }
}

impl Spellings {
    /// Goes on with the next piece of the text.
    pub(crate) fn feed(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
        if self.held.len() < BOM.len() + 3 {
            return;
        }
        let mut held = std::mem::take(&mut self.held);
        // The last line may end in the next piece, or is the one that may have no end.
        let mut end = held.len() - 2;
        end -= usize::from(held[end - 1] == b'\r');
        self.hash(&held[..end]);
        held.drain(..end);
        self.held = held;
    }

    /// Which of them has the checksum `recorded`.
    pub(crate) fn which_is(mut self, recorded: &[u8]) -> Option<Difference> {
        let held = std::mem::take(&mut self.held);
        let ended = held.strip_suffix(b"\r\n").or(held.strip_suffix(b"\n"));
        let ended = ended.unwrap_or(&held);
        self.hash(ended);
        let newline = &held[ended.len()..];
        let spellings = [Some(self.as_it_is), self.with_lf, self.with_crlf];
        for (index, marked) in spellings.into_iter().enumerate() {
            for (is_marked, hasher) in [false, true]
                .into_iter()
                .zip(marked.iter().flat_map(|m| &m.0))
            {
                for end in [newline, b"", b"\n", b"\r\n"] {
                    if hasher.clone().chain_update(end).finalize().as_slice() != recorded {
                        continue;
                    }
                    let ends_alike = end.is_empty() == newline.is_empty();
                    let endings = index > 0 || (ends_alike && end != newline);
                    let mark = Some(is_marked) != self.has_mark;
                    return match (endings, !ends_alike, mark) {
                        (false, false, true) => Some(Difference::ByteOrderMark),
                        (false, true, false) => Some(Difference::FinalNewline),
                        (true, false, false) => Some(Difference::LineEndings),
                        (false, false, false) => None,
                        _ => Some(Difference::Several),
                    };
                }
            }
        }
        None
    }

    /// Hashes whole lines and what follows them, which does not end in half a line ending.
    fn hash(&mut self, text: &[u8]) {
        let text = match self.has_mark {
            Some(_) => text,
            None => {
                let unmarked = text.strip_prefix(BOM);
                self.has_mark = Some(unmarked.is_some());
                unmarked.unwrap_or(text)
            }
        };
        if self.with_lf.is_none() && text.windows(2).any(|two| two == b"\r\n") {
            self.with_lf = Some(self.as_it_is.clone());
        }
        if self.with_crlf.is_none() && text.contains(&b'\n') {
            self.with_crlf = Some(self.as_it_is.clone());
        }
        self.as_it_is.update(text);
        for (other, ending) in [
            (&mut self.with_lf, &b"\n"[..]),
            (&mut self.with_crlf, b"\r\n"),
        ] {
            if let Some(other) = other {
                self.lines.clear();
                let mut rest = text;
                while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
                    let line = &rest[..end];
                    self.lines
                        .extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
                    self.lines.extend_from_slice(ending);
                    rest = &rest[end + 1..];
                }
                self.lines.extend_from_slice(rest);
                other.update(&self.lines);
            }
        }
    }
}

/// Which spelling of `bytes` has the checksum `recorded`.
#[must_use]
pub fn difference(bytes: &[u8], recorded: &[u8]) -> Option<Difference> {
    let mut spellings = Spellings::default();
    // A long text is not copied whole.
    bytes
        .chunks(64 << 10)
        .for_each(|piece| spellings.feed(piece));
    spellings.which_is(recorded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::migration::Checksum;

    #[test]
    fn differences_in_spelling_are_recognised() {
        let sum = |text: &str| Checksum::of(text.as_bytes()).0;
        let cases = [
            ("a\nb\n", "a\r\nb\r\n", Some(Difference::LineEndings)),
            ("a\r\nb\r\n", "a\nb\n", Some(Difference::LineEndings)),
            ("a\r\nb\n", "a\nb\n", Some(Difference::LineEndings)),
            ("a\n", "\u{FEFF}a\n", Some(Difference::ByteOrderMark)),
            ("\u{FEFF}a\n", "a\n", Some(Difference::ByteOrderMark)),
            ("a\n", "a\r\n", Some(Difference::LineEndings)),
            ("a\r\n", "a\n", Some(Difference::LineEndings)),
            ("a\nb", "a\r\nb\r\n", Some(Difference::Several)),
            ("a", "a\r\n", Some(Difference::FinalNewline)),
            ("a\nb", "a\nb\n", Some(Difference::FinalNewline)),
            ("a\nb\n", "a\nb", Some(Difference::FinalNewline)),
            ("a\nb", "\u{FEFF}a\r\nb\r\n", Some(Difference::Several)),
            ("a\nb\n", "a\nc\n", None),
            ("a\n", "a\n", None),
        ];
        for (now, then, expected) in cases {
            assert_eq!(
                difference(now.as_bytes(), &sum(then)),
                expected,
                "{now:?} {then:?}"
            );
        }
    }

    #[test]
    fn a_text_is_the_same_in_pieces() {
        let texts = [
            "",
            "\n",
            "\u{FEFF}",
            "\u{FEFF}\r\n",
            "a\r\r\nb\rc\n\r\n\r",
            "\u{FEFF}a\nb\r\nc\r\n",
        ];
        for now in texts {
            for then in texts.iter().flat_map(|text| {
                let lf = text.replace("\r\n", "\n");
                [
                    (*text).to_owned(),
                    lf.replace('\n', "\r\n"),
                    format!("\u{FEFF}{lf}"),
                    format!("{lf}\n"),
                    lf,
                ]
            }) {
                let recorded = Checksum::of(then.as_bytes()).0;
                let whole = difference(now.as_bytes(), &recorded);
                for length in 1..5 {
                    let mut spellings = Spellings::default();
                    now.as_bytes()
                        .chunks(length)
                        .for_each(|piece| spellings.feed(piece));
                    assert_eq!(
                        spellings.which_is(&recorded),
                        whole,
                        "{now:?} {then:?} {length}"
                    );
                }
            }
        }
    }
}
