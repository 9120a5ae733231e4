//! Each target for so many seconds with random inputs made of its corpus, by the stable
//! compiler; with 0 the corpus only: `random SECONDS [TARGET…]`.
//!
//! It sees no branches as libFuzzer does, but needs no nightly compiler. What fails is
//! written into the corpus, and its target ends.

use litemigrate_fuzz::TARGETS;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % bound.max(1)
    }
}

const LONGEST: usize = 4000;

/// What begins or ends something somewhere.
const SIGNS: &[u8] = b"'\"`[]();-*/\n\r\0 =:#,{}x1";

/// Something of the corpus or nothing, changed in some places.
fn made(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut data = match corpus.get(random.below(corpus.len() + corpus.len() / 8)) {
        Some(seed) => seed.clone(),
        None => Vec::new(),
    };
    for _ in 0..=random.below(6) {
        let at = random.below(data.len() + 1);
        match random.below(7) {
            0 => (0..random.below(24)).for_each(|_| data.insert(at, random.below(256) as u8)),
            1 if at < data.len() => data[at] = random.below(256) as u8,
            2 if at < data.len() => data[at] = SIGNS[random.below(SIGNS.len())],
            3 => {
                let end = (at + random.below(12)).min(data.len());
                data.drain(at..end);
            }
            4 => {
                let end = (at + random.below(40)).min(data.len());
                let again = data[at..end].to_vec();
                data.splice(at..at, again);
            }
            _ => {
                if let Some(other) = corpus.get(random.below(corpus.len())) {
                    let from = random.below(other.len());
                    let to = (from + random.below(60)).min(other.len());
                    data.splice(at..at, other[from..to].iter().copied());
                }
            }
        }
    }
    data.truncate(LONGEST);
    data
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let seconds = words.first().and_then(|word| word.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(60));
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/corpus");
    let mut failed = false;
    for (name, run) in TARGETS {
        if words.len() > 1 && !words[1..].iter().any(|word| word == name) {
            continue;
        }
        let folder = corpora.join(name);
        let mut files: Vec<PathBuf> = match std::fs::read_dir(&folder) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(_) => Vec::new(),
        };
        files.sort();
        let corpus: Vec<Vec<u8>> = files.iter().flat_map(std::fs::read).collect();
        let since = SystemTime::UNIX_EPOCH.elapsed();
        let seed = since.map_or(1, |since| since.as_nanos() as u64);
        let mut random = Random(seed);
        let clock = Instant::now();
        let mut count = 0;
        let mut queue = corpus.iter().cloned();
        loop {
            let (data, is_new) = match queue.next() {
                Some(data) => (data, false),
                None if clock.elapsed() >= time => break,
                None => (made(&mut random, &corpus), true),
            };
            count += 1;
            if catch_unwind(AssertUnwindSafe(|| run(&data))).is_err() {
                failed = true;
                if is_new {
                    let file = folder.join(format!("failed-{seed}"));
                    let written = std::fs::write(&file, &data);
                    println!("{name}: FAILED: {}, {written:?}", file.display());
                } else {
                    println!("{name}: FAILED: {}", files[count - 1].display());
                }
                break;
            }
        }
        println!("{name}: {count} inputs");
    }
    match failed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}
