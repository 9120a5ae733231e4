//! What can be typed, and what is said about it.
//!
//! Owns the table of commands and options; parsing, help, man page and completions
//! are made from it, and the table knows none of them. Opens nothing, prints nothing.

mod completions;
mod fields;
mod grouping;
mod help;
mod man;
mod nearest;
mod operands;
pub(crate) mod parse;
mod recipes;
pub(crate) mod table;
mod topics;
mod values;
mod words;
