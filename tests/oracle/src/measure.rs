//! What a process costs: wall time, CPU time and peak memory, as the child of a small
//! process, so that the memory of who asks is not taken for its.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What one run cost.
#[derive(Clone, Copy)]
pub struct Cost {
    /// Seconds.
    pub wall: f64,
    /// Seconds, of user and system.
    pub cpu: f64,
    pub peak_kib: f64,
    pub status: i32,
}

/// After this long a run is given up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Runs it to the end, or for as long as there is patience. The program that calls this
/// begins with [`as_child`].
pub fn cost(command: &Command) -> Option<Cost> {
    let mut child = Command::new(std::env::current_exe().ok()?);
    child
        .arg("--measure")
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null());
    if let Some(folder) = command.get_current_dir() {
        child.current_dir(folder);
    }
    let text = String::from_utf8(child.output().ok()?.stdout).ok()?;
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || numbers.next()?.ok();
    Some(Cost {
        wall: next()?,
        cpu: next()?,
        peak_kib: next()?,
        status: next()? as i32,
    })
}

/// `--measure COMMAND …` prints what it cost, and that was all; else false.
pub fn as_child() -> bool {
    let mut arguments = std::env::args_os();
    if arguments.nth(1).is_none_or(|first| first != "--measure") {
        return false;
    }
    let mut measured = || {
        let mut command = Command::new(arguments.next()?);
        command
            .args(&mut arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        measure(&mut command)
    };
    if let Some(cost) = measured() {
        println!(
            "{} {} {} {}",
            cost.wall, cost.cpu, cost.peak_kib, cost.status
        );
    }
    true
}

fn measure(command: &mut Command) -> Option<Cost> {
    let clock = Instant::now();
    let mut child = command.spawn().ok()?;
    let status = loop {
        if let Some(status) = child.try_wait().ok()? {
            break status;
        }
        if clock.elapsed() > PATIENCE {
            child.kill().ok()?;
            child.wait().ok()?;
            return None;
        }
        let nap = if clock.elapsed().as_millis() < 20 {
            20
        } else {
            500
        };
        std::thread::sleep(Duration::from_micros(nap));
    };
    let wall = clock.elapsed().as_secs_f64();
    // SAFETY: the structure is ours, and a zeroed rusage is valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Some(Cost {
        wall,
        cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        peak_kib: usage.ru_maxrss as f64,
        status: status.code()?,
    })
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
