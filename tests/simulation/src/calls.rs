//! What each call of SQLite's does on the simulated machine, as os_unix.c does it on a
//! real one (sqlite.org/c3ref/io_methods.html).
//!
//! Owns names, contents, locks and shared memory. Never decides who runs or what fails.

use crate::disk::Change;
use crate::fault::Call;
use crate::world::{Handle, World};
use litemigrate::rusqlite::ffi;
use std::ffi::c_int;

impl World {
    pub fn open(&self, me: usize, name: Option<&str>, flags: c_int) -> Result<usize, c_int> {
        let mut state = self.enter(me, Call::Open)?;
        let creates = flags & ffi::SQLITE_OPEN_CREATE != 0;
        let is_journal = flags
            & (ffi::SQLITE_OPEN_MAIN_JOURNAL
                | ffi::SQLITE_OPEN_WAL
                | ffi::SQLITE_OPEN_SUPER_JOURNAL);
        let found = name.and_then(|name| state.disk.names.get(name).copied());
        let file = match (name, found) {
            (None, _) => state.disk.temporary(),
            (Some(_), Some(file)) => file,
            (Some(name), None) if creates => state.disk.create(name),
            (Some(_), None) => return Err(ffi::SQLITE_CANTOPEN),
        };
        let handle = Handle {
            file,
            name: name.map(str::to_owned),
            sync_directory: creates && is_journal != 0,
            remove_on_close: flags & ffi::SQLITE_OPEN_DELETEONCLOSE != 0,
            ..Handle::default()
        };
        state.next_handle += 1;
        let number = state.next_handle;
        state.handles.insert(number, handle);
        Ok(number)
    }

    pub fn close(&self, me: usize, handle: usize) {
        // A process that ends closes its files whatever happens.
        let mut state = match self.enter(me, Call::Close) {
            Ok(state) => state,
            Err(_) => self.state(),
        };
        let Some(closed) = state.handles.remove(&handle) else {
            return;
        };
        if closed.uses_shm {
            state.release_shared_memory(closed.file);
        }
        if closed.remove_on_close
            && let Some(name) = closed.name
        {
            state.disk.remove(&name);
        }
    }

    pub fn delete(&self, me: usize, name: &str, sync_directory: bool) -> Result<(), c_int> {
        let (mut state, failure) = match self.enter(me, Call::Delete) {
            Ok(state) => (state, None),
            Err(ffi::SQLITE_IOERR_DIR_FSYNC) if sync_directory => {
                (self.state(), Some(ffi::SQLITE_IOERR_DIR_FSYNC))
            }
            Err(_) => return Err(ffi::SQLITE_IOERR_DELETE),
        };
        if !state.disk.remove(name) {
            return Err(ffi::SQLITE_IOERR_DELETE_NOENT);
        }
        if let Some(code) = failure {
            return Err(code);
        }
        if sync_directory && !state.lies.directory_sync && !state.lies.directory_sync_after_removal
        {
            state.disk.log.push(Change::SyncDirectory);
        }
        Ok(())
    }

    pub fn exists(&self, me: usize, name: &str) -> Result<bool, c_int> {
        let state = self.enter(me, Call::Access)?;
        // As os_unix.c: an empty file does not count.
        let found = state.disk.names.get(name);
        Ok(found.is_some_and(|file| !state.disk.files[*file].is_empty()))
    }

    pub fn read(
        &self,
        me: usize,
        handle: usize,
        offset: usize,
        into: &mut [u8],
    ) -> Result<bool, c_int> {
        let state = self.enter(me, Call::Read)?;
        let content = &state.disk.files[state.file(handle)];
        let available = content.get(offset..).unwrap_or_default();
        let length = available.len().min(into.len());
        into[..length].copy_from_slice(&available[..length]);
        into[length..].fill(0);
        Ok(length == into.len())
    }

    pub fn write(&self, me: usize, handle: usize, offset: usize, data: &[u8]) -> Result<(), c_int> {
        let (mut state, data, result) = match self.enter(me, Call::Write) {
            Ok(state) => (state, data, Ok(())),
            // What fits is written.
            Err(code) => (self.state(), &data[..data.len() / 2], Err(code)),
        };
        let file = state.file(handle);
        state.disk.write(file, offset, data);
        result
    }

    pub fn truncate(&self, me: usize, handle: usize, size: usize) -> Result<(), c_int> {
        let mut state = self.enter(me, Call::Truncate)?;
        let file = state.file(handle);
        state.disk.truncate(file, size);
        Ok(())
    }

    pub fn sync(&self, me: usize, handle: usize) -> Result<(), c_int> {
        let mut state = self.enter(me, Call::Sync)?;
        let file = state.file(handle);
        if !state.lies.sync {
            state.disk.log.push(Change::Sync { file });
        }
        let directory = state
            .handles
            .get_mut(&handle)
            .is_some_and(|handle| std::mem::take(&mut handle.sync_directory));
        if directory && !state.lies.directory_sync {
            state.disk.log.push(Change::SyncDirectory);
        }
        Ok(())
    }

    pub fn size(&self, me: usize, handle: usize) -> Result<usize, c_int> {
        let state = self.enter(me, Call::FileSize)?;
        Ok(state.disk.files[state.file(handle)].len())
    }

    pub fn lock(&self, me: usize, handle: usize, wanted: c_int) -> Result<(), c_int> {
        let mut state = self.enter(me, Call::Lock)?;
        let lies = state.lies.locks;
        let file = state.file(handle);
        let others = |test: &dyn Fn(&Handle) -> bool| {
            let mut others = state
                .handles
                .iter()
                .filter(|(number, _)| **number != handle);
            !lies && others.any(|(_, other)| other.file == file && test(other))
        };
        let pending = others(&|other| other.level >= ffi::SQLITE_LOCK_PENDING);
        let shared = others(&|other| other.level >= ffi::SQLITE_LOCK_SHARED);
        let reserved = others(&|other| other.reserved);
        let own = state.handles.get_mut(&handle).ok_or(ffi::SQLITE_MISUSE)?;
        if own.level >= wanted {
            return Ok(());
        }
        match wanted {
            ffi::SQLITE_LOCK_SHARED if pending => Err(ffi::SQLITE_BUSY),
            ffi::SQLITE_LOCK_RESERVED if reserved => Err(ffi::SQLITE_BUSY),
            ffi::SQLITE_LOCK_EXCLUSIVE if pending => Err(ffi::SQLITE_BUSY),
            ffi::SQLITE_LOCK_EXCLUSIVE if shared => {
                own.level = ffi::SQLITE_LOCK_PENDING;
                Err(ffi::SQLITE_BUSY)
            }
            _ => {
                own.level = wanted;
                own.reserved |= wanted == ffi::SQLITE_LOCK_RESERVED;
                Ok(())
            }
        }
    }

    pub fn unlock(&self, me: usize, handle: usize, level: c_int) -> Result<(), c_int> {
        let mut state = self.enter(me, Call::Unlock)?;
        if let Some(own) = state.handles.get_mut(&handle) {
            own.level = own.level.min(level);
            own.reserved = false;
        }
        Ok(())
    }

    pub fn is_reserved(&self, me: usize, handle: usize) -> Result<bool, c_int> {
        let state = self.enter(me, Call::CheckReserved)?;
        let file = state.file(handle);
        let mut handles = state.handles.values();
        Ok(!state.lies.locks && handles.any(|other| other.file == file && other.reserved))
    }

    pub fn map(
        &self,
        me: usize,
        handle: usize,
        region: usize,
        size: usize,
        extend: bool,
    ) -> Result<Option<*mut u64>, c_int> {
        let mut state = self.enter(me, Call::ShmMap)?;
        let file = state.file(handle);
        if let Some(own) = state.handles.get_mut(&handle) {
            own.uses_shm = true;
        }
        let regions = state.shared_memory.entry(file).or_default();
        if regions.len() <= region && !extend {
            return Ok(None);
        }
        while regions.len() <= region {
            regions.push(vec![0; size / 8].into_boxed_slice());
        }
        Ok(Some(regions[region].as_mut_ptr()))
    }

    pub fn lock_shared_memory(
        &self,
        me: usize,
        handle: usize,
        offset: c_int,
        count: c_int,
        flags: c_int,
    ) -> Result<(), c_int> {
        let mut state = self.enter(me, Call::ShmLock)?;
        let mask = (1_u32 << (offset + count)) - (1 << offset);
        let file = state.file(handle);
        let (mut shared, mut exclusive) = (0, 0);
        if !state.lies.locks {
            for (number, other) in &state.handles {
                if *number != handle && other.file == file {
                    shared |= other.shm_shared;
                    exclusive |= other.shm_exclusive;
                }
            }
        }
        let own = state.handles.get_mut(&handle).ok_or(ffi::SQLITE_MISUSE)?;
        if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
            own.shm_shared &= !mask;
            own.shm_exclusive &= !mask;
            return Ok(());
        }
        if flags & ffi::SQLITE_SHM_SHARED != 0 {
            if exclusive & mask != 0 {
                return Err(ffi::SQLITE_BUSY);
            }
            own.shm_shared |= mask;
            return Ok(());
        }
        if (exclusive | shared) & mask != 0 {
            return Err(ffi::SQLITE_BUSY);
        }
        own.shm_exclusive |= mask;
        Ok(())
    }

    pub fn barrier(&self, me: usize) {
        drop(self.enter(me, Call::ShmBarrier));
    }

    pub fn unmap(&self, me: usize, handle: usize, remove: bool) {
        let mut state = match self.enter(me, Call::ShmUnmap) {
            Ok(state) => state,
            Err(_) => self.state(),
        };
        let file = state.file(handle);
        if let Some(own) = state.handles.get_mut(&handle) {
            own.uses_shm = false;
            own.shm_shared = 0;
            own.shm_exclusive = 0;
        }
        if remove {
            state.release_shared_memory(file);
        }
    }
}
