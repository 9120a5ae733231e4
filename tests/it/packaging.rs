//! Are the files for distributions true? What `make packaging` makes of Cargo.toml and
//! Cargo.lock is compared with them; the Makefiles are read by make, with stand-ins for
//! what OpenWrt and Buildroot bring along.

use crate::support::{Sandbox, copy, manifest, root, shell};

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The value of a line `key = "value"`.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""))
        .map(|rest| rest.trim_end_matches('"'))
}

/// Name, version and checksum of each crate that Cargo.lock has from elsewhere.
fn crates() -> Vec<(String, String, String)> {
    let lock = read("Cargo.lock");
    let packages = lock.split("\n[[package]]\n").skip(1);
    let found: Vec<_> = packages
        .filter_map(|package| {
            let of = |key: &str| value(package, key).map(str::to_owned);
            Some((of("name")?, of("version")?, of("checksum")?))
        })
        .collect();
    assert_eq!(found.len(), lock.matches("\nchecksum = ").count());
    found
}

/// They are what the Makefile makes them, so nobody has to remember it.
#[test]
fn they_are_up_to_date() {
    let sandbox = Sandbox::new("packaging");
    std::fs::copy(manifest(), sandbox.path.join("Cargo.toml")).unwrap();
    for name in ["Cargo.lock", "LICENSE"] {
        std::fs::copy(root().join(name), sandbox.path.join(name)).unwrap();
    }
    let made = sandbox.path.join("fixtures/packaging");
    for folder in [&made, &sandbox.path.join(".cargo")] {
        std::fs::create_dir_all(folder).unwrap();
        copy(
            &root().join(folder.strip_prefix(&sandbox.path).unwrap()),
            folder,
        );
    }
    shell(&sandbox.path, "fixtures/packaging/update.sh");
    let compared = format!(
        "diff -r {} fixtures/packaging",
        root().join("fixtures/packaging").display()
    );
    assert_eq!(shell(&sandbox.path, &compared), "");
}

/// And what it makes is true.
#[test]
fn versions_checksums_and_crates_are_those_of_cargo() {
    let version = env!("CARGO_PKG_VERSION");
    let recipe = read(&format!(
        "fixtures/packaging/yocto/litemigrate_{version}.bb"
    ));
    let list = read("fixtures/packaging/yocto/litemigrate-crates.inc");
    let sums = read("fixtures/packaging/crates.sha256");
    for (name, version, checksum) in crates() {
        assert!(list.contains(&format!(
            "\n    crate://crates.io/{name}/{version};name={name}-{version} \\\n"
        )));
        assert!(list.contains(&format!(
            "\nSRC_URI[{name}-{version}.sha256sum] = \"{checksum}\"\n"
        )));
        assert!(sums.contains(&format!("{checksum}  {name}-{version}.crate\n")));
    }
    assert_eq!(list.matches("crate://").count(), crates().len());
    assert_eq!(sums.lines().count(), crates().len());
    let flags = read(".cargo/config.toml");
    assert_eq!(
        value(&recipe, "export LIBSQLITE3_FLAGS"),
        value(&flags, "LIBSQLITE3_FLAGS")
    );
    let sum = |tool: &str| shell(root(), &format!("{tool} <LICENSE | cut -d ' ' -f 1"));
    assert!(recipe.contains(&format!("file://LICENSE;md5={}\"", sum("md5sum").trim())));
    let hashes = read("fixtures/packaging/buildroot/litemigrate.hash");
    assert!(hashes.contains(&format!("\nsha256  {}  LICENSE\n", sum("sha256sum").trim())));
    assert!(hashes.contains(&format!("litemigrate-{version}-cargo")));

    let homepage = env!("CARGO_PKG_HOMEPAGE");
    assert_eq!(value(&recipe, "HOMEPAGE"), Some(homepage));
    for file in [
        "openwrt/Makefile",
        "buildroot/Config.in",
        "debian/copyright",
    ] {
        assert!(
            read(&format!("fixtures/packaging/{file}")).contains(homepage),
            "{file}"
        );
    }
}

/// What goes into the program is named with its license. What only builds it is not in it.
#[test]
fn the_copyright_names_every_crate_in_the_program() {
    let copyright = read("fixtures/packaging/debian/copyright");
    let named: Vec<&str> = copyright
        .lines()
        .filter_map(|line| line.strip_prefix("Files: "))
        .flat_map(str::split_whitespace)
        .collect();
    let builds = ["cc", "find-msvc-tools", "pkg-config", "shlex", "vcpkg"];
    for (name, ..) in crates() {
        assert_ne!(
            named.contains(&name.as_str()),
            builds.contains(&name.as_str()),
            "{name}"
        );
    }
}

#[test]
fn openwrt_reads_its_makefile() {
    let sandbox = Sandbox::new("openwrt");
    let write = |name: &str, text: &str| {
        let path = sandbox.path.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "rules.mk",
        "INCLUDE_DIR := $(TOPDIR)/include\nINSTALL_DIR := install -d\nINSTALL_BIN := install\nPKG_INSTALL_DIR := /built\n",
    );
    write(
        "include/package.mk",
        "define BuildPackage\n$(eval $(Package/$(1)))\n$(info $(PKG_NAME) $(PKG_VERSION) $(PKG_SOURCE_VERSION) $(DEPENDS))\nall: ; true\ninstall: ; $(call Package/$(1)/install,/root)\nendef\n",
    );
    write(
        "feeds/packages/lang/rust/rust-package.mk",
        "RUST_ARCH_DEPENDS := @(arm||aarch64)\ndefine RustBinPackage\nendef\n",
    );
    let makefile = root().join("fixtures/packaging/openwrt/Makefile");
    let make = |target: &str| {
        let run = format!("make -n -f {} TOPDIR=$PWD {target}", makefile.display());
        shell(&sandbox.path, &run)
    };
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        make("all"),
        format!("litemigrate {version} v{version} @(arm||aarch64)\ntrue\n")
    );
    assert_eq!(
        make("install")
            .split_once("install -d")
            .map(|(_, rest)| rest),
        Some(" /root/usr/bin\ninstall /built/bin/litemigrate /root/usr/bin/\n")
    );
}

#[test]
fn buildroot_reads_its_makefile() {
    let sandbox = Sandbox::new("buildroot");
    let package = root().join("fixtures/packaging/buildroot/litemigrate.mk");
    std::fs::write(
        sandbox.path.join("Makefile"),
        "github = https://github.com/$(1)/$(2)/archive/$(3)\ndefine cargo-package\nall: ; echo $(LITEMIGRATE_SITE) $(LITEMIGRATE_LICENSE_FILES)\nendef\ninclude $(PACKAGE)\n",
    )
    .unwrap();
    let run = format!("make -s PACKAGE={}", package.display());
    let expected = format!(
        "{}/archive/v{} LICENSE\n",
        env!("CARGO_PKG_REPOSITORY"),
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(shell(&sandbox.path, &run), expected);
    // Kconfig's own rules: options are indented by a tab, help by a tab and two spaces.
    let menu = read("fixtures/packaging/buildroot/Config.in");
    let mut is_help = false;
    for line in menu.lines().skip(1) {
        let is_right = if is_help {
            line.is_empty() || line.starts_with("\t  ")
        } else {
            line.starts_with('\t')
        };
        assert!(is_right, "{line}");
        is_help |= line == "\thelp";
    }
}
