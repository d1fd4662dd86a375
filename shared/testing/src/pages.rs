//! The pages of the workspace, for tests that check what they state.

use std::fs;
use std::path::PathBuf;

use super::workspace;

/// A `README.md` of the workspace.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its path, relative to the workspace's root.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl Page {
    /// The text outside of code blocks.
    pub fn prose(&self) -> String {
        self.text.split("```").step_by(2).collect()
    }

    /// The code blocks of a language: the lines of each, without the indentation of a list.
    pub fn blocks(&self, language: &str) -> Vec<Vec<&str>> {
        let blocks = self.text.split("```").skip(1).step_by(2);
        let blocks = blocks.filter_map(|block| {
            let (first, code) = block.split_once('\n')?;
            // Both fences have the same indentation.
            let (code, indentation) = code.rsplit_once('\n')?;
            let lines = code.lines().map(|line| line.strip_prefix(indentation).unwrap_or(line));
            // `rust,no_run` is Rust.
            (first.split(',').next() == Some(language)).then(|| lines.collect())
        });
        blocks.collect()
    }
}

/// All pages, sorted by path. Folders of tools and builds are left out.
pub fn pages() -> Vec<Page> {
    let root = workspace();
    let (mut pages, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace can be read") {
            let entry = entry.expect("an entry of the workspace can be read");
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name == "README.md" {
                let text = fs::read_to_string(&path).expect("a page is text");
                let path = path.strip_prefix(&root).expect("a page is in the workspace").to_owned();
                pages.push(Page { path, text });
            }
        }
    }
    pages.sort_by(|one, other| one.path.cmp(&other.path));
    pages
}

/// The arguments of each `cargo run -p PROGRAM -- ARGUMENTS` in the shell blocks of all pages, without comment and
/// redirection.
pub fn commands(program: &str) -> Vec<Vec<String>> {
    let start = format!("cargo run -p {program} -- ");
    let mut commands = Vec::new();
    for page in pages() {
        for line in page.blocks("sh").concat() {
            let Some(arguments) = line.strip_prefix(&start) else {
                continue;
            };
            // A key has a '#' of its own, without a space before it.
            let ends = [" #", " > "].map(|mark| arguments.find(mark).unwrap_or(arguments.len()));
            let arguments = &arguments[..ends[0].min(ends[1])];
            commands.push(arguments.split_whitespace().map(str::to_owned).collect());
        }
    }
    commands
}
