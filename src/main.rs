//! The program `litemigrate`: see `program` in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    litemigrate::program::main()
}
