//! As much of a script's text as is needed at a time.
//!
//! Owns what is at hand and where it stands in the whole, so that memory is bounded by the
//! longest statement and not by the script. Never opens a file: whoever runs the script
//! gives what reads on.

use crate::diagnostics::error::Error;
use crate::diagnostics::position::{CONTEXT, Origin, floor};
use std::rc::Rc;

/// Appends the next piece of a script to a text. Whether it was the last.
pub(crate) type ReadOn<'a> = dyn FnMut(&mut String) -> Result<bool, Error> + 'a;

/// A piece of a script, and what reads on.
pub(super) struct Window<'a> {
    /// The piece, and NUL: without that SQLite copies it for each statement.
    text: Rc<String>,
    origin: Origin,
    is_complete: bool,
    /// The place of the last semicolon.
    last_semicolon: Option<usize>,
    read_on: &'a mut ReadOn<'a>,
}

impl<'a> Window<'a> {
    pub(super) fn new(read_on: &'a mut ReadOn<'a>) -> Self {
        Self {
            text: Rc::new(String::from('\0')),
            origin: Origin::default(),
            is_complete: false,
            last_semicolon: None,
            read_on,
        }
    }

    /// The piece, with the NUL at its end.
    pub(super) fn text(&self) -> &Rc<String> {
        &self.text
    }

    /// Without it.
    pub(super) fn length(&self) -> usize {
        self.text.len() - 1
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether it reaches to the script's end.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whether a statement that begins at `from` can end in it.
    pub(super) fn has_end_after(&self, from: usize) -> bool {
        self.is_complete || self.last_semicolon.is_some_and(|at| at >= from)
    }

    /// Reads on until a statement that begins at `from` can end, and at least as much as
    /// there is of it, so that trying again costs no more than a statement's length in
    /// all. What stands before it is given up, but for what shows where it stands: how
    /// many bytes that were.
    pub(super) fn read_on(&mut self, from: usize) -> Result<usize, Error> {
        let text = Rc::make_mut(&mut self.text);
        text.pop();
        let cut = floor(text, from.saturating_sub(CONTEXT));
        self.origin.pass_over(&text[..cut]);
        text.drain(..cut);
        let wanted = text.len() + (text.len() - (from - cut)).max(1);
        let mut result = Ok(cut);
        let mut has_end = false;
        while !(self.is_complete || has_end && text.len() >= wanted) {
            let end = text.len();
            match (self.read_on)(text) {
                Ok(is_last) => self.is_complete = is_last,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
            has_end |= text[end..].contains(';');
        }
        self.last_semicolon = text.rfind(';');
        text.push('\0');
        result
    }
}
