//! What happened becomes an exit code.
//!
//! Owns the numbers, and the one conversion to them.

use crate::diagnostics::error::{Cause, Error};
use crate::diagnostics::problem::Problem;
use std::io;

/// What a run came to, if nothing went wrong.
pub(crate) enum Outcome {
    Done,
    Pending,
}

/// Which of two exit codes tells more about several databases: the worst is a
/// failed script, then what a person must look at, then what time may heal.
pub(crate) fn severity(code: u8) -> usize {
    const FROM_GOOD_TO_BAD: [u8; 12] = [0, 3, 75, 4, 66, 73, 77, 78, 74, 65, 64, 1];
    FROM_GOOD_TO_BAD
        .iter()
        .position(|known| *known == code)
        .unwrap_or(FROM_GOOD_TO_BAD.len())
}

/// The one conversion of what happened to the documented exit codes.
pub(crate) fn exit_code(result: &Result<Outcome, Error>) -> u8 {
    let error = match result {
        Ok(Outcome::Done) => return 0,
        Ok(Outcome::Pending) => return 3,
        Err(error) => error,
    };
    match error {
        Error::Script(script) => database_code(script.cause, 1),
        Error::Refused { problems } => {
            let newer = |problem: &Problem| matches!(problem, Problem::Newer { .. });
            if problems.iter().all(newer) { 4 } else { 65 }
        }
        Error::NoSuchVersion { .. } | Error::Usage { .. } => 64,
        Error::Unusable { findings, .. } => {
            let all = |kinds: &[&str]| findings.iter().all(|found| kinds.contains(&found.kind));
            if all(&["no-permission"]) {
                77
            } else if all(&["no-permission", "io-error"]) {
                74
            } else {
                65
            }
        }
        Error::Changed { .. }
        | Error::NotImported { .. }
        | Error::OtherFolder { .. }
        | Error::Declined { .. }
        | Error::Drift { .. }
        | Error::History { .. }
        | Error::Warned(_) => 65,
        Error::Replay(script) => database_code(script.cause, 65),
        Error::NoDatabase { .. } | Error::NoBackup { .. } => 66,
        Error::Read { source, .. } => match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::InvalidData => 65,
            io::ErrorKind::PermissionDenied => 77,
            _ => 74,
        },
        Error::Directory { source, .. } | Error::Import { source, .. } => match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => 66,
            io::ErrorKind::PermissionDenied => 77,
            _ => 74,
        },
        Error::CannotCreate { .. } | Error::CannotCreateDatabase { .. } => 73,
        Error::Database { cause, .. } => database_code(*cause, 74),
        Error::Configuration { .. } => 78,
    }
}

/// `statement` is the code for a statement that is at fault itself.
fn database_code(cause: Cause, statement: u8) -> u8 {
    match cause {
        Cause::Statement => statement,
        Cause::Busy => 75,
        Cause::Storage => 74,
        Cause::Permission | Cause::CannotOpen => 77,
    }
}
