//! Two histories in one database: does sqlx, told the same names, accept what
//! `--table NAME` made, and make it so itself?

use crate::{Oracle, dump, write_folder};
use oracle::Who;
use std::fs;
use std::path::Path;
use std::process::Command;

const TABLES: [(&str, &str); 2] = [("image", "_image_migrations"), ("site", "SiteHistory2")];

impl Oracle {
    pub(crate) fn histories_of_other_names(&mut self) {
        let work = self.work.join("tables");
        for (name, _) in TABLES {
            let scripts = [
                (
                    format!("1_{name}.sql"),
                    format!("CREATE TABLE {name} (x);\n"),
                ),
                (
                    format!("2_{name}_more.sql"),
                    format!("-- no-transaction\nINSERT INTO {name} VALUES (1);\n"),
                ),
            ];
            let scripts = scripts.map(|(name, text)| (name, text.into_bytes()));
            write_folder(&work.join(name), &scripts);
        }
        let mut left = Vec::new();
        for first in [Who::Us, Who::Sqlx] {
            let database = work.join(format!("{first:?}.db"));
            for (name, table) in TABLES {
                let applied = self.applied(first, &database, &work.join(name), table);
                self.check(applied, || format!("{table}: {first:?} fails"));
            }
            let made = dump(&database);
            for who in [Who::Us, Who::Sqlx] {
                for (name, table) in TABLES {
                    let accepted = self.applied(who, &database, &work.join(name), table);
                    self.check(accepted, || format!("{table}: {first:?}, then {who:?}"));
                }
                self.check(dump(&database) == made, || {
                    format!(
                        "{first:?}, then {who:?} changed:\n{made}\n{}",
                        dump(&database)
                    )
                });
            }
            left.push((database, made));
        }
        self.check(left[0].1 == left[1].1, || {
            format!("we leave\n{}\nbut sqlx leaves\n{}", left[0].1, left[1].1)
        });
        // Each goes on where the other has stopped, and notices what was edited.
        fs::write(work.join("site/3_site.sql"), "CREATE TABLE more (x);\n").expect("a file");
        for (second, (database, _)) in [Who::Sqlx, Who::Us].into_iter().zip(&left) {
            let applied = self.applied(second, database, &work.join("site"), TABLES[1].1);
            self.check(applied, || format!("{second:?} does not go on"));
        }
        let [ours, theirs] = [&left[0].0, &left[1].0].map(|database| dump(database));
        self.check(ours == theirs, || {
            format!("in the end\n{ours}\nand\n{theirs}")
        });
        fs::write(work.join("image/1_image.sql"), "SELECT 'edited';\n").expect("a file");
        for who in [Who::Us, Who::Sqlx] {
            let applied = self.applied(who, &left[0].0, &work.join("image"), TABLES[0].1);
            self.check(!applied, || format!("{who:?} accepts what was edited"));
        }
    }

    /// Whether one of them has nothing against the history in `table`, and applies the rest.
    fn applied(&self, who: Who, database: &Path, folder: &Path, table: &str) -> bool {
        let mut command: Command = who.command(&self.program, &self.here, folder, database);
        match who {
            Who::Us => command.args(["-q", "--table", table]),
            _ => command.args(["table", table]),
        };
        let output = command.env_clear().output().expect("the programs run");
        output.status.success()
    }
}
