//! One machine: its disk, the locks on its files, the memory that processes share, the
//! clock, which process runs, and which call fails.
//!
//! Owns the state of it and who runs: each call is a point where another process may run
//! instead. Holds no pointer of SQLite's.

use crate::disk::{Disk, Image};
use crate::fault::{Call, Fault, Lies, Span};
use litemigrate::rusqlite::ffi;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

#[derive(Debug, Default)]
pub struct Handle {
    pub file: usize,
    /// What a lock is on: the file, or for a temporary one nothing.
    pub name: Option<String>,
    pub level: c_int,
    /// Whether the reserved byte is locked: a rollback goes from SHARED to EXCLUSIVE.
    pub reserved: bool,
    pub shm_shared: u32,
    pub shm_exclusive: u32,
    pub uses_shm: bool,
    pub sync_directory: bool,
    pub remove_on_close: bool,
}

#[derive(Default)]
pub struct State {
    pub disk: Disk,
    pub handles: BTreeMap<usize, Handle>,
    pub next_handle: usize,
    pub shared_memory: BTreeMap<usize, Vec<Box<[u64]>>>,
    pub calls: Vec<(usize, Call)>,
    fault: Option<Fault>,
    pub failed: Option<Call>,
    pub lies: Lies,
    microseconds: i64,
    /// Who runs; with one process nobody waits.
    turn: usize,
    alive: Vec<bool>,
    /// At which call the turn goes to whom.
    schedule: Vec<(usize, usize)>,
}

pub struct World {
    /// Where its files are real ones, too.
    folder: Option<PathBuf>,
    state: Mutex<State>,
    turned: Condvar,
}

/// After so many calls a schedule is taken to never end: everything fails.
const ENDLESS: usize = 200_000;

thread_local! {
    static HERE: RefCell<Option<(Arc<World>, usize)>> = const { RefCell::new(None) };
}

/// The machine and the process of this thread.
pub fn here() -> (Arc<World>, usize) {
    found_here().expect("a thread that is no simulated process uses the simulated disk")
}

/// None if this thread is no simulated process.
pub fn found_here() -> Option<(Arc<World>, usize)> {
    HERE.with_borrow(Clone::clone)
}

impl World {
    pub fn new(image: &Image, lies: Lies, folder: Option<&Path>) -> Arc<Self> {
        let state = State {
            disk: Disk::of(image),
            lies,
            ..State::default()
        };
        Arc::new(Self {
            folder: folder.map(Path::to_owned),
            state: Mutex::new(state),
            turned: Condvar::new(),
        })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The folder is this machine's now.
    fn mirror(&self) {
        if let Some(folder) = &self.folder {
            let made = self.state().disk.mirror(folder);
            made.expect("a folder for real files");
        }
    }

    /// Does something as the only process.
    pub fn alone<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        self.mirror();
        HERE.set(Some((Arc::clone(self), 0)));
        let result = work();
        HERE.set(None);
        result
    }

    pub fn fail(&self, fault: Fault) {
        let mut state = self.state();
        state.fault = Some(fault);
        state.calls.clear();
    }

    pub fn heal(&self) {
        self.state().fault = None;
    }

    /// Runs processes, one at a time: the first until it sleeps or ends, then the next,
    /// except that at the calls of the schedule the turn goes elsewhere.
    pub fn run<T: Send>(
        self: &Arc<Self>,
        processes: Vec<Box<dyn FnOnce() -> T + Send + '_>>,
        schedule: &[(usize, usize)],
    ) -> Vec<T> {
        self.mirror();
        let mut state = self.state();
        state.turn = 0;
        state.alive = vec![true; processes.len()];
        state.schedule = schedule.to_vec();
        state.calls.clear();
        drop(state);
        std::thread::scope(|scope| {
            let threads: Vec<_> = processes
                .into_iter()
                .enumerate()
                .map(|(me, process)| {
                    scope.spawn(move || {
                        HERE.set(Some((Arc::clone(self), me)));
                        drop(self.wait(self.state(), me));
                        let result = catch_unwind(AssertUnwindSafe(process));
                        HERE.set(None);
                        let mut state = self.state();
                        state.alive[me] = false;
                        state.turn = state.next_after(me);
                        drop(state);
                        self.turned.notify_all();
                        result.unwrap_or_else(|panic| resume_unwind(panic))
                    })
                })
                .collect();
            let results = threads.into_iter().map(|thread| thread.join());
            results.map(|result| result.expect("a process")).collect()
        })
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, me: usize) -> MutexGuard<'a, State> {
        let waited = self.turned.wait_while(state, |state| state.turn != me);
        waited.unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A call begins: perhaps another process runs first, perhaps it fails.
    pub fn enter(&self, me: usize, call: Call) -> Result<MutexGuard<'_, State>, c_int> {
        let mut state = self.state();
        while let Some(other) = state.taken_turn(me) {
            state.turn = other;
            self.turned.notify_all();
            state = self.wait(state, me);
        }
        let at = state.calls.len();
        state.calls.push((me, call));
        if at > ENDLESS {
            return Err(ffi::SQLITE_IOERR);
        }
        if let Some(fault) = state.fault
            && at >= fault.at
            && !call.errors().is_empty()
        {
            let fails = match fault.span {
                Span::Once => at == fault.at,
                Span::Kind => at == fault.at || state.failed == Some(call),
                Span::Every => true,
            };
            if fails {
                state.failed.get_or_insert(call);
                return Err(call.errors()[fault.error % call.errors().len()]);
            }
        }
        Ok(state)
    }

    pub fn sleep(&self, me: usize, microseconds: c_int) {
        let mut state = self.state();
        state.microseconds += i64::from(microseconds);
        if state.alive.len() > 1 {
            let next = state.next_after(me);
            if next != me {
                state.turn = next;
                self.turned.notify_all();
                drop(self.wait(state, me));
            }
        }
    }

    /// Milliseconds of the Julian day, a little more each time.
    pub fn now(&self) -> i64 {
        let mut state = self.state();
        state.microseconds += 10;
        212_000_000_000_000 + state.microseconds / 1000
    }
}

impl State {
    pub fn file(&self, handle: usize) -> usize {
        self.handles[&handle].file
    }

    /// Who takes the turn from this process at this call. Once, or it would never run.
    fn taken_turn(&mut self, me: usize) -> Option<usize> {
        let at = self.calls.len();
        let found = self.schedule.iter().position(|(call, _)| *call == at)?;
        let (_, other) = self.schedule.remove(found);
        (other != me && self.alive[other]).then_some(other)
    }

    fn next_after(&self, me: usize) -> usize {
        let count = self.alive.len();
        let others = (1..=count).map(|step| (me + step) % count);
        others
            .into_iter()
            .find(|other| self.alive[*other])
            .unwrap_or(me)
    }

    /// The last one takes it away: it is in no file.
    pub fn release_shared_memory(&mut self, file: usize) {
        let mut handles = self.handles.values();
        if !handles.any(|other| other.file == file && other.uses_shm) {
            self.shared_memory.remove(&file);
        }
    }
}
