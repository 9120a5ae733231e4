//! The simulated machine as a VFS of SQLite's (sqlite.org/vfs.html).
//!
//! Owns the pointers. Each function hands its call to [`World`] and its answer back.

use crate::world::{World, found_here, here};
use litemigrate::rusqlite::ffi;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Arc;

pub const NAME: &str = "simulated";

#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    handle: usize,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Once for the process.
pub fn register() {
    let vfs = Box::new(ffi::sqlite3_vfs {
        iVersion: 2,
        szOsFile: size_of::<File>() as c_int,
        mxPathname: 512,
        pNext: std::ptr::null_mut(),
        zName: c"simulated".as_ptr(),
        pAppData: std::ptr::null_mut(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_pathname),
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: Some(current_time),
        xGetLastError: Some(get_last_error),
        xCurrentTimeInt64: Some(current_time_int64),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    });
    let code = unsafe { ffi::sqlite3_vfs_register(Box::into_raw(vfs), 0) };
    assert_eq!(code, ffi::SQLITE_OK);
}

/// SQLite's own random numbers, which are one for the whole process, begin anew.
pub fn seed() {
    unsafe {
        let none: *mut ffi::sqlite3 = std::ptr::null_mut();
        ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_PRNG_SEED, 1 as c_int, none);
    }
}

fn code(result: Result<(), c_int>) -> c_int {
    result.err().unwrap_or(ffi::SQLITE_OK)
}

fn answer<T, U: From<T>>(result: Result<T, c_int>, out: *mut U) -> c_int {
    match result {
        Ok(value) => {
            unsafe { *out = value.into() };
            ffi::SQLITE_OK
        }
        Err(code) => code,
    }
}

fn of(file: *mut ffi::sqlite3_file) -> (Arc<World>, usize, usize) {
    let (world, me) = here();
    (world, me, unsafe { (*file.cast::<File>()).handle })
}

/// All files are in one folder, wherever that is.
fn text<'a>(name: *const c_char) -> &'a str {
    let name = unsafe { CStr::from_ptr(name) };
    let name = name.to_str().expect("names are ours");
    name.rsplit('/').next().unwrap_or(name)
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let (world, me) = here();
    unsafe { (*file).pMethods = std::ptr::null() };
    let name = (!name.is_null()).then(|| text(name));
    match world.open(me, name, flags) {
        Ok(handle) => unsafe {
            (*file.cast::<File>()).handle = handle;
            (*file).pMethods = &raw const METHODS;
            if !out_flags.is_null() {
                *out_flags = flags;
            }
            ffi::SQLITE_OK
        },
        Err(code) => code,
    }
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    let (world, me) = here();
    code(world.delete(me, text(name), sync & 1 != 0))
}

unsafe extern "C" fn access(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _flags: c_int,
    out: *mut c_int,
) -> c_int {
    let (world, me) = here();
    answer(world.exists(me, text(name)), out)
}

unsafe extern "C" fn full_pathname(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    size: c_int,
    out: *mut c_char,
) -> c_int {
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
    if bytes.len() > size as usize {
        return ffi::SQLITE_CANTOPEN;
    }
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), out, bytes.len()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn randomness(_: *mut ffi::sqlite3_vfs, size: c_int, out: *mut c_char) -> c_int {
    unsafe { std::ptr::write_bytes(out, 7, size as usize) };
    size
}

unsafe extern "C" fn sleep(_: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    let (world, me) = here();
    world.sleep(me, microseconds);
    microseconds
}

#[repr(C)]
pub struct Time {
    seconds: i64,
    nanoseconds: i64,
}

/// In place of the C library's: who sleeps without SQLite lets others run, too, and
/// nobody sleeps really.
#[unsafe(no_mangle)]
unsafe extern "C" fn nanosleep(wanted: *const Time, _: *mut Time) -> c_int {
    let wanted = unsafe { &*wanted };
    let microseconds = wanted.seconds * 1_000_000 + wanted.nanoseconds / 1000;
    if let Some((world, me)) = found_here() {
        // Until a moment of the real clock may be for ever.
        world.sleep(me, microseconds.min(1_000_000) as c_int);
    }
    0
}

/// As Rust asks for it: relative to now, or until a moment of the monotonic clock.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_nanosleep(
    _clock: c_int,
    _flags: c_int,
    wanted: *const Time,
    rest: *mut Time,
) -> c_int {
    unsafe { nanosleep(wanted, rest) }
}

unsafe extern "C" fn current_time(_: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    let (world, _) = here();
    unsafe { *out = world.now() as f64 / 86_400_000.0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn current_time_int64(_: *mut ffi::sqlite3_vfs, out: *mut i64) -> c_int {
    let (world, _) = here();
    unsafe { *out = world.now() };
    ffi::SQLITE_OK
}

unsafe extern "C" fn get_last_error(_: *mut ffi::sqlite3_vfs, _: c_int, _: *mut c_char) -> c_int {
    0
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let (world, me, handle) = of(file);
    world.close(me, handle);
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    into: *mut c_void,
    size: c_int,
    offset: i64,
) -> c_int {
    let (world, me, handle) = of(file);
    let into = unsafe { std::slice::from_raw_parts_mut(into.cast::<u8>(), size as usize) };
    match world.read(me, handle, offset as usize, into) {
        Ok(true) => ffi::SQLITE_OK,
        Ok(false) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(code) => code,
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    data: *const c_void,
    size: c_int,
    offset: i64,
) -> c_int {
    let (world, me, handle) = of(file);
    let data = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size as usize) };
    code(world.write(me, handle, offset as usize, data))
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    let (world, me, handle) = of(file);
    code(world.truncate(me, handle, size as usize))
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    let (world, me, handle) = of(file);
    code(world.sync(me, handle))
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    let (world, me, handle) = of(file);
    answer(world.size(me, handle).map(|size| size as i64), out)
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    let (world, me, handle) = of(file);
    code(world.lock(me, handle, level))
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    let (world, me, handle) = of(file);
    code(world.unlock(me, handle, level))
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    let (world, me, handle) = of(file);
    answer(world.is_reserved(me, handle), out)
}

unsafe extern "C" fn file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

/// As os_unix.c says of a file system that it does not know.
unsafe extern "C" fn sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    4096
}

unsafe extern "C" fn device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    let (world, me, handle) = of(file);
    let mapped = world.map(me, handle, region as usize, size as usize, extend != 0);
    let pointer = mapped.map(|memory| memory.map_or(std::ptr::null_mut(), <*mut u64>::cast));
    if pointer.is_err() {
        unsafe { *out = std::ptr::null_mut() };
    }
    answer(pointer, out)
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    offset: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    let (world, me, handle) = of(file);
    code(world.lock_shared_memory(me, handle, offset, count, flags))
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    let (world, me, _) = of(file);
    world.barrier(me);
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, remove: c_int) -> c_int {
    let (world, me, handle) = of(file);
    world.unmap(me, handle, remove != 0);
    ffi::SQLITE_OK
}
