//! A disk between "written" and "synced".
//!
//! Owns what is left of it after a power cut: of the writes since a file's last sync
//! any subset, in sectors of 512 bytes, each with any of its versions; of the creations
//! and removals since the directory's last sync any subset. Knows nothing of SQLite.

use crate::mirror::Mirror;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Result;
use std::path::Path;
use std::sync::Arc;

pub const SECTOR: usize = 512;

/// What a power cut leaves: names and contents.
pub type Image = BTreeMap<String, Vec<u8>>;

/// One change, in the order in which the processes made them.
#[derive(Debug, Clone)]
pub enum Change {
    Create {
        name: String,
        file: usize,
    },
    Remove {
        name: String,
    },
    Write {
        file: usize,
        offset: usize,
        data: Arc<[u8]>,
    },
    Truncate {
        file: usize,
        size: usize,
    },
    Sync {
        file: usize,
    },
    SyncDirectory,
}

/// The disk as processes see it, and all that was done to it.
#[derive(Debug, Default)]
pub struct Disk {
    pub names: BTreeMap<String, usize>,
    pub files: Vec<Vec<u8>>,
    nameless: BTreeSet<usize>,
    pub log: Vec<Change>,
    mirror: Option<Mirror>,
}

impl Disk {
    /// Everything in it is synced.
    pub fn of(image: &Image) -> Self {
        let mut disk = Self::default();
        for (name, content) in image {
            disk.names.insert(name.clone(), disk.files.len());
            disk.files.push(content.clone());
        }
        disk
    }

    /// From now on each file that has a name is in this folder, too, and nothing else is.
    pub fn mirror(&mut self, folder: &Path) -> Result<()> {
        let mut mirror = Mirror::new(folder)?;
        for (name, file) in &self.names {
            mirror.create(name, *file)?;
            mirror.write(*file, 0, &self.files[*file])?;
        }
        self.mirror = Some(mirror);
        Ok(())
    }

    fn mirrored(&mut self, change: impl FnOnce(&mut Mirror) -> Result<()>) {
        let done = self.mirror.as_mut().map_or(Ok(()), change);
        done.expect("the folder for real files");
    }

    /// What is seen now, as if all of it were synced.
    pub fn seen(&self) -> Image {
        let content = |file: &usize| self.files[*file].clone();
        let entry = |(name, file): (&String, &usize)| (name.clone(), content(file));
        self.names.iter().map(entry).collect()
    }

    pub fn create(&mut self, name: &str) -> usize {
        self.files.push(Vec::new());
        let file = self.files.len() - 1;
        self.names.insert(name.to_owned(), file);
        self.mirrored(|mirror| mirror.create(name, file));
        let name = name.to_owned();
        self.log.push(Change::Create { name, file });
        file
    }

    /// A file without a name: nothing is left of it after a cut.
    pub fn temporary(&mut self) -> usize {
        self.files.push(Vec::new());
        let file = self.files.len() - 1;
        self.nameless.insert(file);
        file
    }

    /// Whether there was such a name.
    pub fn remove(&mut self, name: &str) -> bool {
        let found = self.names.remove(name).is_some();
        if found {
            self.mirrored(|mirror| mirror.remove(name));
            let name = name.to_owned();
            self.log.push(Change::Remove { name });
        }
        found
    }

    pub fn write(&mut self, file: usize, offset: usize, data: &[u8]) {
        put(&mut self.files[file], offset, data, 0);
        self.mirrored(|mirror| mirror.write(file, offset, data));
        let data = data.into();
        self.remember(file, Change::Write { file, offset, data });
    }

    pub fn truncate(&mut self, file: usize, size: usize) {
        self.files[file].resize(size, 0);
        self.mirrored(|mirror| mirror.truncate(file, size));
        self.remember(file, Change::Truncate { file, size });
    }

    fn remember(&mut self, file: usize, change: Change) {
        if !self.nameless.contains(&file) {
            self.log.push(change);
        }
    }
}

/// Writes into a file; a gap before it is filled with `filler`.
fn put(content: &mut Vec<u8>, offset: usize, data: &[u8], filler: u8) {
    if content.len() < offset {
        content.resize(offset, filler);
    }
    let end = offset + data.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(data);
}

/// What may or may not have reached the disk: a directory entry, a new size, or the
/// part of a write that falls into one sector.
#[derive(Clone, Copy)]
enum Atom<'a> {
    Entry(&'a Change),
    Size {
        file: usize,
        size: usize,
    },
    Part {
        file: usize,
        offset: usize,
        data: &'a [u8],
    },
}

/// The durable part of a disk, followed along its log.
pub struct Durable<'a> {
    names: BTreeMap<String, usize>,
    files: BTreeMap<usize, Vec<u8>>,
    entries: Vec<&'a Change>,
    unsynced: Vec<&'a Change>,
}

impl<'a> Durable<'a> {
    pub fn of(image: &Image) -> Self {
        let disk = Disk::of(image);
        Self {
            names: disk.names,
            files: disk.files.into_iter().enumerate().collect(),
            entries: Vec::new(),
            unsynced: Vec::new(),
        }
    }

    pub fn follow(&mut self, change: &'a Change) {
        match change {
            Change::Create { file, .. } => {
                self.files.insert(*file, Vec::new());
                self.entries.push(change);
            }
            Change::Remove { .. } => self.entries.push(change),
            Change::Write { .. } | Change::Truncate { .. } => self.unsynced.push(change),
            Change::Sync { file } => {
                let (of_file, others) = std::mem::take(&mut self.unsynced)
                    .into_iter()
                    .partition(|change| belongs(change, *file));
                self.unsynced = others;
                let content = self.files.entry(*file).or_default();
                for atom in atoms(of_file) {
                    apply(content, atom, 0);
                }
            }
            Change::SyncDirectory => {
                for entry in std::mem::take(&mut self.entries) {
                    enter(&mut self.names, entry);
                }
                // Nothing of these can come back.
                let names = &self.names;
                self.unsynced
                    .retain(|change| names.values().any(|file| belongs(change, *file)));
            }
        }
    }

    fn open(&self) -> Vec<Atom<'a>> {
        let entries = self.entries.iter().map(|entry| Atom::Entry(entry));
        entries.chain(atoms(self.unsynced.clone())).collect()
    }

    /// The images that a cut here may leave: all where these are at most 2^`few`, else
    /// the extremes and `many` that the seed selects.
    pub fn images(&self, few: u32, many: u32, seed: u64) -> Vec<(String, Image)> {
        let open = self.open();
        if open.len() <= few as usize {
            let all = 0..1_u64 << open.len();
            return all
                .map(|subset| {
                    let choice = Choice::Subset(subset);
                    (choice.to_string(), self.image(&choice))
                })
                .collect();
        }
        // All and nothing, of the entries and of the contents.
        let extremes = (0..4).map(Choice::Extreme);
        let selected = (0..u64::from(many)).map(|n| Choice::Seed(seed.wrapping_mul(1000) + n));
        extremes
            .chain(selected)
            .map(|choice| (choice.to_string(), self.image(&choice)))
            .collect()
    }

    pub fn image(&self, choice: &Choice) -> Image {
        let mut random = Random::new(match choice {
            Choice::Seed(seed) => *seed,
            _ => 0,
        });
        let mut names = self.names.clone();
        let mut files = self.files.clone();
        // Each seed has its own density, and its own filling of what was never written.
        let density = [16, 64, 128, 192, 240][random.below(5) as usize];
        let filler = match choice {
            Choice::Seed(_) if random.below(2) == 1 => 0xa5,
            _ => 0,
        };
        for (index, atom) in self.open().into_iter().enumerate() {
            let is_there = match choice {
                Choice::Subset(subset) => subset >> index & 1 == 1,
                Choice::Extreme(bits) => {
                    let bit = usize::from(matches!(atom, Atom::Entry(_)));
                    bits >> bit & 1 == 1
                }
                Choice::Seed(_) => random.below(256) < density,
            };
            if !is_there {
                continue;
            }
            match atom {
                Atom::Entry(entry) => enter(&mut names, entry),
                Atom::Size { file, .. } | Atom::Part { file, .. } => {
                    apply(files.entry(file).or_default(), atom, filler);
                }
            }
        }
        let content = |file: &usize| files.get(file).cloned().unwrap_or_default();
        names
            .iter()
            .map(|(name, file)| (name.clone(), content(file)))
            .collect()
    }
}

fn belongs(change: &Change, wanted: usize) -> bool {
    matches!(change, Change::Write { file, .. } | Change::Truncate { file, .. } if *file == wanted)
}

fn atoms<'a>(changes: Vec<&'a Change>) -> Vec<Atom<'a>> {
    let mut found = Vec::new();
    for change in changes {
        match change {
            Change::Write { file, offset, data } => {
                let (file, mut offset, mut rest) = (*file, *offset, &data[..]);
                while !rest.is_empty() {
                    let length = (SECTOR - offset % SECTOR).min(rest.len());
                    let (data, after) = rest.split_at(length);
                    found.push(Atom::Part { file, offset, data });
                    offset += length;
                    rest = after;
                }
            }
            Change::Truncate { file, size } => {
                let (file, size) = (*file, *size);
                found.push(Atom::Size { file, size });
            }
            _ => {}
        }
    }
    found
}

fn apply(content: &mut Vec<u8>, atom: Atom<'_>, filler: u8) {
    match atom {
        Atom::Part { offset, data, .. } => put(content, offset, data, filler),
        Atom::Size { size, .. } => content.resize(size, filler),
        Atom::Entry(_) => {}
    }
}

fn enter(names: &mut BTreeMap<String, usize>, entry: &Change) {
    match entry {
        Change::Create { name, file } => names.insert(name.clone(), *file),
        Change::Remove { name } => names.remove(name),
        _ => None,
    };
}

/// Which of the open changes reached the disk.
#[derive(Debug, Clone, Copy)]
pub enum Choice {
    Subset(u64),
    /// Bit 0: the contents; bit 1: the entries.
    Extreme(u64),
    Seed(u64),
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Subset(bits) => write!(f, "subset-{bits}"),
            Self::Extreme(bits) => write!(f, "extreme-{bits}"),
            Self::Seed(seed) => write!(f, "seed-{seed}"),
        }
    }
}

impl std::str::FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let wrong = || format!("{text} is no choice");
        let (kind, number) = text.split_once('-').ok_or_else(wrong)?;
        let number = number.parse().map_err(|_| wrong())?;
        match kind {
            "subset" => Ok(Self::Subset(number)),
            "extreme" => Ok(Self::Extreme(number)),
            "seed" => Ok(Self::Seed(number)),
            _ => Err(wrong()),
        }
    }
}

pub fn fingerprint(image: &Image) -> u64 {
    let mut hasher = DefaultHasher::new();
    image.hash(&mut hasher);
    hasher.finish()
}

/// SplitMix64: the same numbers for the same seed, everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def0)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
