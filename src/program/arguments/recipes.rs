//! The recipes: files for what starts programs where nobody watches.
//!
//! Owns their names and what each is for; their texts are files of the project, which
//! the tests run.

use crate::program::arguments::nearest::unknown;

macro_rules! recipe {
    ($name:literal, $about:literal) => {
        (
            $name,
            $about,
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/fixtures/recipes/",
                $name
            )),
        )
    };
}

/// A recipe's name, what it is for, and its text.
pub(crate) const RECIPES: &[(&str, &str, &str)] = &[
    recipe!("cron", "every few minutes, without mail"),
    recipe!("init", "a plain init script"),
    recipe!("inittab", "BusyBox's init"),
    recipe!("openrc", "an OpenRC service before the application's"),
    recipe!(
        "app-migrate.service",
        "a systemd unit before the application's"
    ),
    recipe!("app.service", "the application's unit, which needs it"),
    recipe!("migrate.conf", "systemd: the application's unit migrates"),
    recipe!(
        "check.conf",
        "systemd: no start before somebody has migrated"
    ),
    recipe!("procd", "an OpenWrt service"),
    recipe!("uci-defaults", "OpenWrt: once after an upgrade"),
    recipe!("Dockerfile", "an image that migrates and ends"),
    recipe!(
        "entrypoint.sh",
        "the entry point of the application's image"
    ),
    recipe!(
        "kubernetes.yaml",
        "an init container, scripts from a ConfigMap"
    ),
    recipe!("mender", "a state script of an update by Mender"),
    recipe!("ansible.yaml", "tasks of a play by Ansible"),
    recipe!("litestream.sh", "a start with Litestream beside it"),
    recipe!("litestream.yml", "Litestream's own settings for it"),
];

/// What `help recipes` prints, or `help recipes NAME`.
pub(crate) fn recipes(name: Option<&str>) -> Result<String, String> {
    if let Some(name) = name {
        let found = RECIPES.iter().find(|(known, ..)| *known == name);
        let names = RECIPES.iter().map(|(known, ..)| *known);
        return match found {
            Some((.., text)) => Ok((*text).to_owned()),
            None => Err(unknown("recipe", "", name, None, names)),
        };
    }
    let mut text = String::from(
        "`litemigrate help recipes NAME` prints one, with its place in its first lines.\nIn each, /srv/app holds a SQLPage project; any other is named with -m and -D.\n\n",
    );
    for (name, about, _) in RECIPES {
        text.push_str(&format!("  {name:<20} {about}\n"));
    }
    Ok(text)
}
