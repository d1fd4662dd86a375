//! The workspace's manifest.

/// The manifest without these paths among its members.
pub(super) fn without_members(manifest: &str, paths: &[String]) -> String {
    let is_members = |line: &str| line.trim_start().starts_with("members");
    let without = |line: &str| match is_members(line) {
        true => paths
            .iter()
            .fold(line.to_owned(), |line, path| line.replace(&format!(", \"{path}\""), "")),
        false => line.to_owned(),
    };
    manifest.split_inclusive('\n').map(without).collect()
}

#[cfg(test)]
mod tests {
    use super::without_members;

    #[test]
    fn removed_packages_are_members_no_more() {
        let manifest = "# tests/demo\nmembers = [\"functions/*\", \"tests\", \"tests/demo\"]\n";
        let without = without_members(manifest, &["tests/demo".to_owned()]);
        assert_eq!(without, "# tests/demo\nmembers = [\"functions/*\", \"tests\"]\n");
    }
}
