//! What `--backup` may be asked for.
//!
//! Owns the refusals of what could not be kept apart, before anything is opened.

use crate::diagnostics::error::Error;
use crate::diagnostics::text::shown;
use crate::operations::backup;
use crate::program::arguments::parse::Arguments;
use crate::program::commands::databases;
use crate::schema::history_table::HistoryTable;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// One file cannot hold the backups of several databases, nor several of one.
pub(crate) fn refuse_what_cannot_be_kept_apart(arguments: &Arguments) -> Result<(), Error> {
    match &arguments.backup {
        Some(wanted) if !backup::is_folder(wanted) => {}
        _ => return Ok(()),
    }
    let usage = |option: &str, message: &str| {
        Err(Error::Usage {
            option: option.to_owned(),
            message: message.to_owned(),
        })
    };
    if arguments.is_for_several() {
        let message = "several databases need a folder that is there: --backup DIR/";
        return usage("--backup", message);
    }
    if arguments.keep.is_some() {
        return usage("--keep", "goes with a folder that is there: --backup DIR/");
    }
    Ok(())
}

/// The backups of two databases must not get one name.
pub(crate) fn refuse_one_name(arguments: &Arguments, names: &[OsString]) -> Result<(), Error> {
    let Some(wanted) = &arguments.backup else {
        return Ok(());
    };
    let mut known: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for name in names {
        let Ok(location) = databases::typed(arguments).location(name, "--database") else {
            continue;
        };
        let real = std::fs::canonicalize(&location.path).unwrap_or(location.path);
        let copy = backup::name_in(&real, &HistoryTable::default(), None, 1);
        if let Some(other) = known.get(&copy)
            && *other != real
        {
            return Err(Error::Usage {
                option: "--backup".to_owned(),
                message: format!(
                    "the backups of {} and {} would have one name in {}: run them one by one, into different folders",
                    shown(other),
                    shown(&real),
                    shown(wanted)
                ),
            });
        }
        known.insert(copy, real);
    }
    Ok(())
}
