//! What is told while a script runs: a line on a terminal that is written over and
//! over, lines in a log that come ever more seldom, and systemd's status.
//!
//! Owns these, and how often they are told. Nothing of it outlives the script but what
//! stands in the log.

use crate::diagnostics::text::{counted, escape, fitted};
use crate::program::report::terminal;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A script that takes no longer is not worth a line.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often the line is written.
const FRAME: Duration = Duration::from_millis(100);
/// When a log hears of a script first; after that each pause is as long as all before.
const LONG: Duration = Duration::from_secs(10);
/// How often systemd hears of us, and how long it is to wait for the next word.
const NOTICE: Duration = Duration::from_secs(1);
const EXTENSION: Duration = Duration::from_secs(120);

/// Who reads stderr.
#[derive(Clone, Copy)]
pub(crate) enum Listener {
    Nobody,
    Terminal,
    /// Lines that begin so.
    Log(&'static str),
}

/// Tells what runs now. Called from SQLite's progress handler, too.
pub(crate) struct Live {
    listener: Listener,
    systemd: Option<Systemd>,
    /// How many statements of the script are done.
    statements: AtomicUsize,
    script: Mutex<Option<Script>>,
}

/// The script that runs now.
struct Script {
    /// The database, if there are several.
    prefix: String,
    name: String,
    started: Instant,
    /// How many of its statements are done, when it was last looked at.
    statements: usize,
    /// When the line was written, if it stands there.
    written: Option<Instant>,
    /// How wide the terminal is, once that was asked.
    columns: Option<usize>,
    /// How long the script has run when the log hears of it next.
    next_word: Duration,
    told: Instant,
}

impl Live {
    /// `None` if there is nobody to tell.
    pub(crate) fn new(listener: Listener) -> Option<Self> {
        let systemd = Systemd::from_environment();
        if systemd.is_none() && matches!(listener, Listener::Nobody) {
            return None;
        }
        Some(Self {
            listener,
            systemd,
            statements: AtomicUsize::new(0),
            script: Mutex::new(None),
        })
    }

    fn script(&self) -> std::sync::MutexGuard<'_, Option<Script>> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A script begins, or the backup.
    pub(crate) fn begin(&self, prefix: &str, name: &str) {
        let now = Instant::now();
        self.statements.store(0, Ordering::Relaxed);
        *self.script() = Some(Script {
            prefix: prefix.to_owned(),
            name: escape(name).into_owned(),
            started: now,
            statements: 0,
            written: None,
            columns: None,
            next_word: LONG,
            told: now,
        });
        if let Some(systemd) = &self.systemd {
            systemd.tell(&format!("running {name}"));
        }
    }

    /// So many of its statements are done. Nobody is told of each: a script may have a
    /// million, and one that takes long ticks by itself.
    pub(crate) fn statements(&self, count: usize) {
        self.statements.store(count, Ordering::Relaxed);
        if count.is_multiple_of(64) {
            self.tick();
        }
    }

    /// It is still running.
    pub(crate) fn tick(&self) {
        let Some(script) = &mut *self.script() else {
            return;
        };
        script.statements = self.statements.load(Ordering::Relaxed);
        let now = Instant::now();
        let elapsed = now.duration_since(script.started);
        let is_due = |last: Option<Instant>, pause: Duration| {
            last.is_none_or(|last| now.duration_since(last) >= pause)
        };
        match self.listener {
            Listener::Terminal if elapsed >= PATIENCE && is_due(script.written, FRAME) => {
                script.written = Some(now);
                let columns = script.columns;
                let columns = columns.unwrap_or_else(|| terminal::columns(io::stderr()));
                script.columns = Some(columns);
                let line = script.line(elapsed, columns);
                // Without wrapping: a terminal that became narrower cuts it off.
                write(&format!("\r\x1b[K\x1b[?7l{line}\x1b[?7h"));
            }
            Listener::Log(head) if elapsed >= script.next_word => {
                while script.next_word <= elapsed {
                    script.next_word *= 2;
                }
                let (prefix, name) = (&script.prefix, &script.name);
                let so_far = script.so_far(elapsed);
                write(&format!(
                    "{head}{prefix}{name} is still running: {so_far}\n"
                ));
            }
            _ => {}
        }
        if let Some(systemd) = &self.systemd
            && is_due(Some(script.told), NOTICE)
        {
            script.told = now;
            systemd.tell(&format!("{}: {}", script.name, script.so_far(elapsed)));
        }
    }

    /// Takes the line away, so that another can be written.
    pub(crate) fn erase(&self) {
        if let Some(script) = &mut *self.script()
            && script.written.take().is_some()
        {
            write("\r\x1b[K");
        }
    }

    /// The script is over.
    pub(crate) fn end(&self) {
        self.erase();
        *self.script() = None;
    }

    /// How the run ended, or how far it is between two scripts.
    pub(crate) fn status(&self, text: &str) {
        if let Some(systemd) = &self.systemd {
            systemd.tell(text);
        }
    }
}

impl Script {
    /// The line for a terminal of so many columns: where it is narrow, the name gives
    /// way, and then the number of statements.
    fn line(&self, elapsed: Duration, columns: usize) -> String {
        let mut so_far = self.so_far(elapsed);
        let left = |so_far: &str| columns.saturating_sub(so_far.len() + 3);
        if left(&so_far) < 8 {
            so_far = tenths(elapsed);
        }
        let name = fitted(&self.name, left(&so_far).clamp(8, 40));
        format!("{name}: {so_far}")
    }

    fn so_far(&self, elapsed: Duration) -> String {
        let done = match self.statements {
            0 => String::new(),
            count => counted(count, "statement", "statements") + " done, ",
        };
        done + &tenths(elapsed)
    }
}

/// `12.3 s`
fn tenths(elapsed: Duration) -> String {
    let tenths = elapsed.as_millis() / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

fn write(text: &str) {
    let mut out = io::stderr().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// The socket on which systemd listens (sd_notify(3)).
struct Systemd {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Systemd {
    fn from_environment() -> Option<Self> {
        let name = std::env::var_os("NOTIFY_SOCKET")?;
        let address = match name.as_bytes() {
            [b'@', name @ ..] => abstract_address(name)?,
            [b'/', ..] => SocketAddr::from_pathname(OsStr::new(&name)).ok()?,
            _ => return None,
        };
        let socket = UnixDatagram::unbound().ok()?;
        // A manager that does not read must not stop us.
        socket.set_nonblocking(true).ok()?;
        Some(Self { socket, address })
    }

    /// One line of status, and more time: we are getting on.
    fn tell(&self, status: &str) {
        let message = format!(
            "STATUS={}\nEXTEND_TIMEOUT_USEC={}\n",
            escape(status),
            EXTENSION.as_micros()
        );
        let _ = self.socket.send_to_addr(message.as_bytes(), &self.address);
    }
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> Option<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name).ok()
}

/// Other systems have neither such names nor systemd.
#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &[u8]) -> Option<SocketAddr> {
    None
}

#[cfg(test)]
mod tests {
    use super::{LONG, Script};
    use std::time::{Duration, Instant};

    #[test]
    fn the_line_fits_a_narrow_terminal() {
        let now = Instant::now();
        let mut script = Script {
            prefix: String::new(),
            name: "0007_a_name_that_is_much_too_long_for_forty_columns.sql".to_owned(),
            started: now,
            statements: 0,
            written: None,
            columns: None,
            next_word: LONG,
            told: now,
        };
        for statements in [0, 1, 1234, 123_456_789, usize::MAX] {
            script.statements = statements;
            for seconds in [1, 100, 100_000] {
                let elapsed = Duration::from_secs(seconds);
                for columns in [30, 40, 80, 200] {
                    let line = script.line(elapsed, columns);
                    assert!(line.chars().count() < columns, "{columns}: {line}");
                    assert!(line.starts_with("0007_a_"), "{line}");
                }
            }
        }
    }
}
