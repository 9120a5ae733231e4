//! One binary, one module per question.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod cascade;
mod cli;
mod crash;
mod desk;
mod import;
mod interop;
mod leaks;
mod library;
mod litestream;
mod look;
mod losses;
mod packaging;
mod race;
mod readme;
mod recipes;
mod root;
mod scenarios;
mod several;
mod sqlpage;
mod support;
mod tidy;
mod time;
mod windows;
mod words;
