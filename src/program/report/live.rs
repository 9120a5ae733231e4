//! What is told while a script runs: a line on a terminal that is written over and
//! over, and systemd's status.
//!
//! Owns both, and how often they are told. Nothing of it outlives the script.

use crate::diagnostics::text::{counted, escape, fitted};
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A script that takes no longer is not worth a line.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often the line is written.
const FRAME: Duration = Duration::from_millis(100);
/// How often systemd hears of us, and how long it is to wait for the next word.
const NOTICE: Duration = Duration::from_secs(1);
const EXTENSION: Duration = Duration::from_secs(120);

/// Tells what runs now. Called from SQLite's progress handler, too.
pub(crate) struct Live {
    on_terminal: bool,
    systemd: Option<Systemd>,
    script: Mutex<Option<Script>>,
}

/// The script that runs now.
struct Script {
    name: String,
    started: Instant,
    statements: usize,
    written: Option<Instant>,
    told: Instant,
}

impl Live {
    /// `None` if there is nobody to tell.
    pub(crate) fn new(on_terminal: bool) -> Option<Self> {
        let systemd = Systemd::from_environment();
        (on_terminal || systemd.is_some()).then(|| Self {
            on_terminal,
            systemd,
            script: Mutex::new(None),
        })
    }

    fn script(&self) -> std::sync::MutexGuard<'_, Option<Script>> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A script begins, or the backup.
    pub(crate) fn begin(&self, name: &str) {
        let now = Instant::now();
        *self.script() = Some(Script {
            name: escape(name).into_owned(),
            started: now,
            statements: 0,
            written: None,
            told: now,
        });
        if let Some(systemd) = &self.systemd {
            systemd.tell(&format!("running {name}"));
        }
    }

    /// So many of its statements are done.
    pub(crate) fn statements(&self, count: usize) {
        if let Some(script) = &mut *self.script() {
            script.statements = count;
        }
        self.tick();
    }

    /// It is still running.
    pub(crate) fn tick(&self) {
        let Some(script) = &mut *self.script() else {
            return;
        };
        let now = Instant::now();
        let elapsed = now.duration_since(script.started);
        let is_due = |last: Option<Instant>, pause: Duration| {
            last.is_none_or(|last| now.duration_since(last) >= pause)
        };
        if self.on_terminal && elapsed >= PATIENCE && is_due(script.written, FRAME) {
            script.written = Some(now);
            let name = fitted(&script.name, 40);
            // Without wrapping: a narrow terminal cuts it off.
            write(&format!(
                "\r\x1b[K\x1b[?7l{name}: {}\x1b[?7h",
                script.so_far(elapsed)
            ));
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
    fn so_far(&self, elapsed: Duration) -> String {
        let tenths = elapsed.as_millis() / 100;
        let done = match self.statements {
            0 => String::new(),
            count => counted(count, "statement", "statements") + " done, ",
        };
        format!("{done}{}.{} s", tenths / 10, tenths % 10)
    }
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
