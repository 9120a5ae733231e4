//! Which scripts the rows of another tool are about.
//!
//! Owns when a row names a script, for sure or at all. Reads neither files nor databases.

use crate::files::foreign::Tool;
use crate::plan::foreign::tables::{Fate, OtherHistory, Record};
use std::collections::BTreeMap;

/// A script that a row may be about.
#[derive(Debug)]
pub(crate) struct Script<'a> {
    pub version: i64,
    /// What the tool calls it, where it keeps names.
    pub key: &'a str,
    /// When it was generated, in milliseconds.
    pub when: Option<i64>,
    /// Of the file that the tool applied, in hexadecimal.
    pub sha256: Option<String>,
}

/// A script that was applied.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AppliedScript {
    /// Its place in the list of scripts.
    pub index: usize,
    pub installed_on: Option<String>,
    /// The tool applied another text.
    pub is_edited: bool,
}

/// Scripts by what a row of the tool calls them.
struct Index {
    tool: Tool,
    places: BTreeMap<String, usize>,
}

impl Index {
    fn of(tool: Tool, scripts: &[Script<'_>]) -> Self {
        let mut places = BTreeMap::new();
        for (index, script) in scripts.iter().enumerate() {
            if tool == Tool::Drizzle {
                places.extend(script.when.map(|when| (when.to_string(), index)));
                places.extend(script.sha256.clone().map(|sha256| (sha256, index)));
            } else {
                places.insert(script.version.to_string(), index);
            }
            places.insert(format!("={}", script.key), index);
        }
        Self { tool, places }
    }

    /// The script that a row is about.
    fn find(&self, record: &Record) -> Option<usize> {
        let by_version = || self.places.get(&record.version?.to_string());
        let by_sha256 = || self.places.get(record.sha256.as_ref()?);
        let by_name = || {
            let name = record.name.as_deref()?;
            let key = name.strip_suffix(".sql").unwrap_or(name);
            self.places.get(&format!("={key}"))
        };
        let found = match (self.tool, record.version) {
            (Tool::Drizzle, _) => by_sha256().or_else(by_name).or_else(by_version),
            (_, Some(_)) => by_version(),
            (_, None) => by_name(),
        };
        found.copied()
    }
}

/// The scripts up to and including the version of a row.
fn up_to(scripts: &[Script<'_>], record: &Record) -> impl Iterator<Item = usize> {
    let version = record.version.unwrap_or(i64::MIN);
    let scripts = scripts.iter().enumerate();
    scripts.filter_map(move |(index, script)| (script.version <= version).then_some(index))
}

impl OtherHistory {
    /// Whether any row is about one of the scripts.
    pub(crate) fn knows_any(&self, scripts: &[Script<'_>]) -> bool {
        let by = Index::of(self.tool, scripts);
        let mut records = self.records.iter();
        records.any(|record| by.find(record).is_some())
    }

    /// Which scripts were applied, in the order in which they were.
    ///
    /// # Errors
    ///
    /// A sentence for each row that stops this.
    pub(crate) fn applied(
        &self,
        scripts: &[Script<'_>],
    ) -> Result<Vec<AppliedScript>, Vec<String>> {
        let by = Index::of(self.tool, scripts);
        let mut problems = self.problems.clone();
        let mut known = vec![false; scripts.len()];
        let mut applied = Vec::new();
        for record in &self.records {
            let mut add = |index: usize| {
                if !std::mem::replace(&mut known[index], true) {
                    applied.push(AppliedScript {
                        index,
                        installed_on: record.installed_on.clone(),
                        is_edited: record.sha256.is_some()
                            && record.sha256 != scripts[index].sha256,
                    });
                }
            };
            match (record.fate, by.find(record)) {
                (Fate::Undone, _) => {}
                (Fate::Applied, Some(index)) => add(index),
                (Fate::Applied | Fate::UpTo, None) => {
                    problems.push(format!(
                        "{} was applied, and there is no file of it",
                        record.shown
                    ));
                }
                (Fate::UpTo | Fate::Baseline, _) => up_to(scripts, record).for_each(add),
            }
        }
        match problems.is_empty() {
            true => Ok(applied),
            false => Err(problems),
        }
    }

    /// The files of ours that a row names beyond doubt: by name, by a version of eight
    /// digits or more, or by any version if `has_form` says of a file that it has the
    /// form that only this tool gives it. `descriptions` are those of the files.
    pub(crate) fn named(
        &self,
        scripts: &[Script<'_>],
        descriptions: &[&str],
        has_form: &dyn Fn(usize) -> bool,
    ) -> Vec<usize> {
        const EIGHT_DIGITS: i64 = 10_000_000;
        let by = Index::of(self.tool, scripts);
        let mut named = vec![false; scripts.len()];
        for record in &self.records {
            let found = by.find(record);
            let is_sure = |index: usize| {
                let called = record.name.as_deref().map(|name| name.replace('_', " "));
                let is_called_so = called.as_deref() == Some(descriptions[index]);
                has_form(index)
                    || scripts[index].version >= EIGHT_DIGITS
                    || record.version.is_none()
                    || is_called_so
            };
            if matches!(record.fate, Fate::Undone | Fate::Baseline) {
                continue;
            }
            if let Some(index) = found {
                named[index] |= match self.tool {
                    Tool::Drizzle => scripts[index].sha256 == record.sha256,
                    _ => is_sure(index),
                };
            }
            if record.fate == Fate::UpTo {
                up_to(scripts, record).for_each(|index| named[index] |= has_form(index));
            }
        }
        let places = 0..scripts.len();
        places.filter(|&index| named[index]).collect()
    }
}
