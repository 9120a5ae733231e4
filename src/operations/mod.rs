//! What can be done: apply and undo, repair, back up and restore, compare, create.
//!
//! Owns the order of the steps of each, and their transactions. Never decides what is
//! pending (`plan` does) and never prints: the caller is told.

pub(crate) mod apply;
pub(crate) mod backup;
pub(crate) mod copy;
pub(crate) mod create;
pub(crate) mod drift;
pub(crate) mod face;
pub(crate) mod import;
pub mod repair;
pub(crate) mod restore;
