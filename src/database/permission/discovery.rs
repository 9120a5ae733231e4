//! What root takes on trust, and from whom.
//!
//! Owns the rule for what is found by itself, for shared libraries, and for the scripts
//! of others. Only root is asked: anybody else has no more rights than their own.

use super::place::{is_open, same_file};
use super::{directory_of, is_root, is_world_writable, read_only_mount, with_suffix};
use crate::diagnostics::error::{Cause, Error};
use crate::diagnostics::problem::Finding;
use crate::diagnostics::text::{escape, shown};
use crate::script::authorizer::Rights;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The owner of a database; of one that is not there yet, the owner of its directory.
pub(crate) fn owner_of(database: &Path) -> Option<u32> {
    let found = std::fs::metadata(database).or_else(|_| std::fs::metadata(directory_of(database)));
    found.ok().map(|metadata| metadata.uid())
}

/// What nobody has named counts for root only if it, and every directory on the way to
/// it, belongs to root or to the owner of the database, and others may not write there.
/// A sticky bit protects entries, as those of `/tmp` on the way to the working directory;
/// it does not protect the discovery, which is made in that directory. Links count as
/// what they are, and what they lead to counts, too.
///
/// # Errors
///
/// [`Error::Database`] with what is another's, and what to do.
pub(crate) fn refuse_foreign_finds(found: &[PathBuf], database: &Path) -> Result<(), Error> {
    if found.is_empty() || !is_root() {
        return Ok(());
    }
    let owner = owner_of(database).unwrap_or(0);
    let trusts = |metadata: &Metadata| trusted(metadata.uid(), owner);
    let here = std::path::absolute(".").unwrap_or_default();
    for path in found {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| absolute.clone());
        let named = match absolute.ends_with(".env") {
            true => "pass it over with --no-dotenv",
            false => "name what is meant with -d and -D",
        };
        for path in [&absolute, &real] {
            let mut way: Vec<&Path> = path.ancestors().collect();
            way.reverse();
            for step in way {
                let Ok(metadata) = std::fs::symlink_metadata(step) else {
                    break;
                };
                if !trusts(&metadata) {
                    let belongs = belongs_to(&metadata, owner, database);
                    return Err(refused(step, &format!("{belongs}{named}")));
                }
                let is_protected =
                    metadata.mode() & 0o1000 != 0 && here != step && here.starts_with(step);
                let is_open =
                    !metadata.is_symlink() && is_world_writable(&metadata) && !is_protected;
                if is_open && read_only_mount(step).is_none() {
                    let message = "every user of this machine can write to it: chmod o-w, or ";
                    return Err(refused(step, &format!("{message}{named}")));
                }
            }
        }
    }
    Ok(())
}

/// Whether what this user owns is no stranger's: an owner that this namespace does not
/// know is no stranger where root is not the machine's root.
fn trusted(user: u32, owner: u32) -> bool {
    let is_unknown = || {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let overflow = read("/proc/sys/kernel/overflowuid");
        let is_machines =
            read("/proc/self/uid_map")
                .split_whitespace()
                .eq(["0", "0", "4294967295"]);
        !is_machines && overflow.trim().parse() == Ok(user)
    };
    user == 0 || user == owner || is_unknown()
}

/// Whose it is, and what to do; what follows is another way.
fn belongs_to(metadata: &Metadata, owner: u32, database: &Path) -> String {
    let user = name_of(metadata.uid());
    let directory = std::fs::metadata(directory_of(database));
    let is_theirs = directory.is_ok_and(|found| found.uid() == metadata.uid());
    let cure = match (owner, is_theirs) {
        // Root has made it in their folder once.
        (0, true) => format!(
            "give them the database (`chown {user} {}`), or ",
            shown(database)
        ),
        (0, false) => String::new(),
        _ => format!(
            "run as the owner of the database (with `{}` before the command), or ",
            run_as(owner)
        ),
    };
    let owner = name_of(owner);
    format!("it belongs to user {user}, and the database to {owner}: {cure}")
}

/// How to run as a user: runuser takes no number.
fn run_as(user: u32) -> String {
    match name_of(user) {
        name if name == user.to_string() => {
            format!("setpriv --reuid {user} --regid {user} --clear-groups")
        }
        name => format!("runuser -u {name} --"),
    }
}

/// The name of a user, or its number if nobody knows it.
pub(super) fn name_of(user: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = user.to_string();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| escape(name).into_owned())
    });
    name.unwrap_or(number)
}

fn refused(path: &Path, message: &str) -> Error {
    Error::Database {
        path: path.to_owned(),
        doing: "use this as root, which nobody has named",
        cause: Cause::Permission,
        message: message.to_owned(),
    }
}

/// As root only root's own libraries are loaded, whoever names them: what is in one runs
/// at once. SQLite adds `.so` to a name that leads nowhere.
///
/// # Errors
///
/// [`Error::Database`] with the library.
pub(crate) fn refuse_foreign_library(library: &Path) -> Result<(), Error> {
    if !is_root() {
        return Ok(());
    }
    for candidate in [library.to_owned(), with_suffix(library, ".so")] {
        let absolute = std::path::absolute(&candidate).unwrap_or_else(|_| candidate.clone());
        // What is not there yet may be there when it is loaded.
        let found = std::fs::canonicalize(&candidate);
        let is_there = found.is_ok();
        let real = found.unwrap_or_else(|_| absolute.clone());
        for step in absolute.ancestors().chain(real.ancestors()) {
            let Ok(metadata) = std::fs::symlink_metadata(step) else {
                continue;
            };
            let group_may_write = metadata.mode() & 0o020 != 0 && metadata.gid() != 0;
            let is_sticky = metadata.is_dir() && metadata.mode() & 0o1000 != 0;
            let is_its_directory = absolute.parent() == Some(step);
            let is_protected = is_sticky && (is_there || !is_its_directory);
            let is_open = (group_may_write || is_world_writable(&metadata)) && !is_protected;
            if trusted(metadata.uid(), 0) && (metadata.is_symlink() || !is_open) {
                continue;
            }
            return Err(Error::Database {
                path: candidate,
                doing: "load this extension as root",
                cause: Cause::Permission,
                message: format!(
                    "{} belongs to user {} with mode {:04o}, so somebody else could change what root runs: keep it where only root may write, or run as the owner of the database",
                    shown(step),
                    name_of(metadata.uid()),
                    metadata.mode() & 0o7777
                ),
            });
        }
    }
    Ok(())
}

/// Warns of scripts that belong to neither root nor the owner of the database, one for
/// each owner.
pub(crate) fn foreign_owners(owners: &BTreeMap<u32, PathBuf>, database: &Path) -> Vec<Finding> {
    if owners.keys().all(|user| *user == 0) || !is_root() {
        return Vec::new();
    }
    let owner = owner_of(database).unwrap_or(0);
    let warning = |(user, path): (&u32, &PathBuf)| {
        let message = format!(
            "belongs to user {}, who is neither root nor the owner of the database, and root runs what is in it: give it to one of them, or run as that user",
            name_of(*user)
        );
        Finding::new("foreign-owner", path, message)
    };
    owners
        .iter()
        .filter(|(user, _)| !trusted(**user, owner))
        .map(warning)
        .collect()
}

/// Whose rights a script has where root runs it, which is asked before: those of whoever
/// owns it or anything on the way to it, and so can put another in its place, if that is
/// not root.
pub(crate) fn rights_of(script: &Path) -> Option<Rights> {
    let absolute = std::path::absolute(script).ok()?;
    let real = std::fs::canonicalize(script).unwrap_or_else(|_| absolute.clone());
    let led = (real != absolute).then(|| real.ancestors());
    let steps = absolute.ancestors().chain(led.into_iter().flatten());
    // What cannot be looked at may be anybody's.
    let owner = |step| std::fs::symlink_metadata(step).map_or(u32::MAX, |found| found.uid());
    let mut owners = steps.map(owner);
    let user = owners.find(|owner| !trusted(*owner, 0))?;
    Some(Rights {
        user,
        may_write: may_write_as,
        is_opened: is_opened_as,
    })
}

/// The groups of a user: by their name, and one of their own number, as users have it whom
/// no list here names.
fn groups_of(user: u32) -> BTreeSet<u32> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let mut groups = BTreeSet::from([user]);
    let number = user.to_string();
    let mut names = Vec::new();
    for line in read("/etc/passwd").lines() {
        let fields: Vec<&str> = line.split(':').collect();
        if let [name, _, of_it, group, ..] = fields[..]
            && of_it == number
        {
            names.push(name.to_owned());
            groups.extend(group.parse::<u32>());
        }
    }
    for line in read("/etc/group").lines() {
        let fields: Vec<&str> = line.split(':').collect();
        if let [_, _, group, members] = fields[..]
            && members
                .split(',')
                .any(|member| names.iter().any(|name| name == member))
        {
            groups.extend(group.parse::<u32>());
        }
    }
    groups
}

/// Whether owner, group and mode give a user this right, 4, 2 or 1 for reading, writing and
/// entering.
fn gives(found: &Metadata, user: u32, groups: &BTreeSet<u32>, right: u32) -> bool {
    let shift = match (found.uid() == user, groups.contains(&found.gid())) {
        (true, _) => 6,
        (false, true) => 3,
        (false, false) => 0,
    };
    found.mode() & (right << shift) != 0
}

/// The same of what is at a path without links. What cannot be told they may not.
fn may(path: &Path, user: u32, groups: &BTreeSet<u32>, right: u32) -> bool {
    let found = std::fs::symlink_metadata(path);
    found.is_ok_and(|found| gives(&found, user, groups, right))
}

/// Whether the user may go into a directory without links.
fn may_enter(user: u32, groups: &BTreeSet<u32>, directory: &Path) -> bool {
    let mut above = directory.ancestors();
    above.all(|step| may(step, user, groups, 1))
}

/// Whether the user may read what a link leads to, as far as owners and modes tell.
fn may_read_as(user: u32, file: &Path) -> bool {
    let Ok(real) = std::fs::canonicalize(file) else {
        return false;
    };
    let groups = groups_of(user);
    let may_come = |directory| may_enter(user, &groups, directory);
    may(&real, user, &groups, 4) && real.parent().is_none_or(may_come)
}

/// Whether any link on the way to a path, or in its place, is another's than root's.
pub(crate) fn is_led_by_users(path: &Path) -> bool {
    let absolute = std::path::absolute(path).unwrap_or_default();
    let mut steps = absolute.ancestors();
    steps.any(|step| {
        let found = std::fs::symlink_metadata(step);
        found.is_ok_and(|found| found.is_symlink() && found.uid() != 0)
    })
}

/// As root, refuses what a link of a user, in its place or on the way, has led to, if that
/// user may not read it: it would be shown to them. `opened` is what was opened by the path;
/// it may lead elsewhere by now.
///
/// # Errors
///
/// Which link it is.
pub(crate) fn refuse_led_astray(path: &Path, opened: &Metadata) -> io::Result<()> {
    if !std::fs::metadata(path).is_ok_and(|found| same_file(&found, opened)) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "somebody else has exchanged it: run this again",
        ));
    }
    for step in std::path::absolute(path)?.ancestors() {
        let found = std::fs::symlink_metadata(step)?;
        let is_strangers = found.is_symlink() && found.uid() != 0;
        if is_strangers && !may_read_as(found.uid(), path) {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "{} is a link of user {} to what they may not read, and root runs this: put the file itself there, or give root the link (chown -h root)",
                    shown(step),
                    name_of(found.uid())
                ),
            ));
        }
    }
    Ok(())
}

/// Whether the user may write to a file, or make it, as far as owners and modes tell.
/// An empty name and `:memory:` are no file. What cannot be told they may not.
fn may_write_as(user: u32, file: &str) -> bool {
    if file.is_empty() || file == ":memory:" {
        return true;
    }
    // SQLite takes a slash away at the end, and follows what was a link before it.
    let is_odd = ["/", "/.", "/.."].iter().any(|end| file.ends_with(end));
    if file.starts_with("file:") || is_odd {
        return false;
    }
    let file = Path::new(file);
    let groups = groups_of(user);
    match (std::fs::symlink_metadata(file), std::fs::canonicalize(file)) {
        (Ok(_), Ok(real)) => {
            may(&real, user, &groups, 2) && may_enter(user, &groups, directory_of(&real))
        }
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => {
            may_make_in(user, &groups, directory_of(file))
        }
        // A link that leads nowhere would be followed.
        _ => false,
    }
}

fn may_make_in(user: u32, groups: &BTreeSet<u32>, directory: &Path) -> bool {
    let Ok(real) = std::fs::canonicalize(directory) else {
        return false;
    };
    may(&real, user, groups, 2) && may_enter(user, groups, &real)
}

/// Whether a file that SQLite has opened by a name is still the one of that name, and one
/// that the user may write to, or that root has made for them.
fn is_opened_as(user: u32, file: &str) -> bool {
    let Ok(found) = std::fs::symlink_metadata(file) else {
        return false;
    };
    let is_made = || {
        found.is_file()
            && found.uid() == 0
            && found.nlink() == 1
            && may_make_in(user, &groups_of(user), directory_of(Path::new(file)))
    };
    is_open(&found, 1) && (may_write_as(user, file) || is_made())
}
