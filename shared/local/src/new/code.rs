//! The package.

use super::files::Changes;
use super::name::Names;
use super::text::Text;

pub(super) fn write(text: &Text, names: &Names, changes: &mut Changes) {
    let folder = format!("functions/{}", names.name);
    let mut create = |file: &str, template: &str| changes.create(format!("{folder}/{file}"), text.fill(template));
    create("Cargo.toml", include_str!("templates/Cargo.toml.txt"));
    create("src/lib.rs", include_str!("templates/lib.rs.txt"));
    create("src/main.rs", include_str!("templates/main.rs.txt"));
    create("src/bin/worker.rs", include_str!("templates/worker.rs.txt"));
    create("tests/processes.rs", include_str!("templates/processes.rs.txt"));
    if names.table.is_some() {
        create("src/table.rs", include_str!("templates/table.rs.txt"));
    }
}
