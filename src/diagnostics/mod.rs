//! What is said when something is wrong: where, why, and what to do next.
//!
//! Owns every type that carries a fault to a person, and how foreign text is made safe
//! to show. Never prints, and decides neither what is wrong nor on an exit code.

pub(crate) mod difference;
pub(crate) mod error;
pub(crate) mod position;
pub(crate) mod problem;
mod sentence;
pub(crate) mod sorted;
pub(crate) mod text;
pub(crate) mod words;
