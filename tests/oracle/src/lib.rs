//! What the oracle, the bench and the two small programs share: who there is, and how
//! each is called.

pub mod measure;
pub mod scripts;

use std::error::Error;
use std::path::Path;
use std::process::Command;

/// Who runs migrations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    Us,
    Sqlx,
    Fork,
    /// The sqlite3 shell, which has no history; it is timed only.
    Shell,
}

impl Who {
    /// How to run the scripts of `folder` on `database`: `program` is litemigrate,
    /// the others are in `here`.
    pub fn command(self, program: &Path, here: &Path, folder: &Path, database: &Path) -> Command {
        let beside = |name: &str| {
            let mut command = Command::new(here.join(name));
            command.arg(database).arg(folder);
            command
        };
        match self {
            Self::Us => {
                let mut command = Command::new(program);
                command.arg("-D").arg(database).arg("-m").arg(folder);
                command
            }
            Self::Sqlx => beside("sqlx_up"),
            Self::Fork => beside("sqlpage_up"),
            Self::Shell => {
                // It only runs the scripts, each in a transaction.
                let mut command = Command::new("sqlite3");
                command
                    .arg("-bail")
                    .arg(database)
                    .arg(format!(".read '{}'", folder.join("../all").display()));
                command
            }
        }
    }
}

/// The `main` of a program that works on async sqlx: exits with 1 and the error.
pub fn run(body: impl AsyncFnOnce(Vec<String>) -> Result<(), Box<dyn Error>>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    if let Err(error) = runtime.block_on(body(std::env::args().collect())) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
