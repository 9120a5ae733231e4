//! What no machine changes: system calls, syncs, writes, instructions, where the tools to
//! count them are.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

#[derive(Default)]
pub struct Counts {
    pub calls: Option<usize>,
    pub syncs: usize,
    pub writes: usize,
    pub instructions: Option<f64>,
}

impl Counts {
    /// By strace.
    pub fn calls(&mut self, command: &Command, log: &Path) {
        let mut traced = under("strace", command, |tool| {
            tool.args(["-f", "-o"]).arg(log);
        });
        let ran = traced.stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !ran.is_ok_and(|status| status.success()) {
            return;
        }
        let text = fs::read_to_string(log).unwrap_or_default();
        let count = |which: &[&str]| {
            text.lines()
                .filter(|line| which.iter().any(|call| line.contains(call)))
                .filter(|line| !line.contains("resumed>"))
                .count()
        };
        self.calls = Some(count(&["("]));
        self.syncs = count(&[" fsync(", " fdatasync("]);
        self.writes = count(&[" pwrite64(", " ftruncate(", " unlink("]);
        let _ = fs::remove_file(log);
    }

    /// By callgrind.
    pub fn instructions(&mut self, command: &Command) {
        let mut counted = under("valgrind", command, |tool| {
            tool.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        });
        let Ok(output) = counted.stdin(Stdio::null()).output() else {
            return;
        };
        self.instructions = String::from_utf8_lossy(&output.stderr)
            .lines()
            .find_map(|line| line.split("Collected : ").nth(1)?.trim().parse().ok());
    }
}

fn under(tool: &str, command: &Command, options: impl FnOnce(&mut Command)) -> Command {
    let mut under = Command::new(tool);
    options(&mut under);
    under.arg(command.get_program()).args(command.get_args());
    under
}

impl fmt::Display for Counts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(calls) = self.calls {
            let (syncs, writes) = (self.syncs, self.writes);
            write!(out, "{calls:>8} calls {syncs:>6} syncs {writes:>7} writes")?;
        }
        if let Some(instructions) = self.instructions {
            write!(out, " {:>8.2} M instructions", instructions / 1e6)?;
        }
        Ok(())
    }
}
