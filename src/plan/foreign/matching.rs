//! Which scripts the rows of another tool are about.
//!
//! Owns when a row names a script, for sure or at all. Reads neither files nor databases.

use crate::files::foreign::Tool;
use crate::files::migration::leading_number;
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

/// A version of so many digits is nobody else's: it is a time.
const EIGHT_DIGITS: i64 = 10_000_000;

/// Scripts by what a row of the tool calls them.
struct Index {
    tool: Tool,
    places: BTreeMap<String, usize>,
    /// Of one text there may be several.
    by_sha256: BTreeMap<String, Vec<usize>>,
}

/// A name as it is where `-` is no part of one.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

impl Index {
    fn of(tool: Tool, scripts: &[Script<'_>]) -> Self {
        let mut places = BTreeMap::new();
        let mut by_sha256: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, script) in scripts.iter().enumerate() {
            if tool == Tool::Drizzle {
                places.extend(script.when.map(|when| (when.to_string(), index)));
            } else {
                places.insert(script.version.to_string(), index);
            }
            if let Some(sha256) = &script.sha256 {
                by_sha256.entry(sha256.clone()).or_default().push(index);
            }
            places.insert(format!("={}", plain(script.key)), index);
        }
        Self {
            tool,
            places,
            by_sha256,
        }
    }

    /// The script that a row is about; of those with one text the first that is not `known`.
    fn find(&self, record: &Record, known: &[bool]) -> Option<usize> {
        let by_version = |version: i64| self.places.get(&version.to_string()).copied();
        let by_sha256 = || {
            let same = self.by_sha256.get(record.sha256.as_ref()?)?;
            let new = same.iter().find(|index| !known[**index]);
            new.or(same.last()).copied()
        };
        let by_name = || {
            let name = record.name.as_deref()?;
            let key = name.strip_suffix(".sql").unwrap_or(name);
            let named = self.places.get(&format!("={}", plain(key))).copied();
            // One without a name has got another.
            let number = leading_number(key).filter(|number| *number >= EIGHT_DIGITS);
            named.or_else(|| by_version(number?))
        };
        match (self.tool, record.version) {
            (Tool::Drizzle, when) => when
                .and_then(by_version)
                .or_else(by_name)
                .or_else(by_sha256),
            (_, Some(version)) => by_version(version),
            (_, None) => by_name(),
        }
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
        let known = vec![false; scripts.len()];
        records.any(|record| by.find(record, &known).is_some())
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
            let found = by.find(record, &known);
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
            match (record.fate, found) {
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
        let by = Index::of(self.tool, scripts);
        let mut named = vec![false; scripts.len()];
        for record in &self.records {
            let found = by.find(record, &named);
            let is_sure = |index: usize| {
                let called = record.name.as_deref().map(|name| name.replace('_', " "));
                let is_called_so = called.as_deref() == Some(descriptions[index]);
                has_form(index)
                    || scripts[index].version >= EIGHT_DIGITS
                    || record.version.is_none()
                    || is_called_so
            };
            if record.fate == Fate::Undone {
                continue;
            }
            if record.fate == Fate::Baseline {
                let is_sure =
                    |index: &usize| has_form(*index) || scripts[*index].version >= EIGHT_DIGITS;
                let sure = up_to(scripts, record).filter(is_sure);
                sure.for_each(|index| named[index] = true);
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
