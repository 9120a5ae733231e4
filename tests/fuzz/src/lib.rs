//! What each target does with its bytes, so that a stable compiler can run it, too:
//! `cargo run --release --example random`.

pub mod arguments;
pub mod foreign;
pub mod histories;
pub mod history;
pub mod location;
pub mod names;
pub mod normaliser;
pub mod script;
pub mod settings;
pub mod window;

/// A target: its name, and what it does.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 10] = [
    ("arguments", arguments::run),
    ("foreign", foreign::run),
    ("histories", histories::run),
    ("history", history::run),
    ("location", location::run),
    ("names", names::run),
    ("normaliser", normaliser::run),
    ("script", script::run),
    ("settings", settings::run),
    ("window", window::run),
];

/// An empty folder of this process's own, in memory where there is such a place.
fn folder(name: &str) -> std::path::PathBuf {
    let memory = std::path::Path::new("/dev/shm");
    let base = match memory.is_dir() {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    };
    let folder = base.join(format!("litemigrate-fuzz-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// What is printed is one line, and no terminal's command.
fn is_one_line(message: &str) -> bool {
    !message.is_empty() && !message.contains(['\n', '\x1b'])
}
