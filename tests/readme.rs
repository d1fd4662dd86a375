//! The pages name files, links, packages and tests that exist, and the recipe for a function works. Their Rust blocks are
//! documentation tests of the crates that include them. Their commands are parsed by tests of the command lines.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

// samples: begin
use sam::{Settings, Template};
// samples: end
use serde_json::Value;
use testing::{Page, pages};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A newcomer reads this many bytes in five minutes.
const MAX_README_BYTES: usize = 9_000;

fn page(path: &str) -> Page {
    pages().into_iter().find(|page| page.path == Path::new(path)).unwrap()
}

/// The anchors of the headings in this text, as GitHub makes them.
fn anchors(prose: &str) -> BTreeSet<String> {
    let anchor = |heading: &str| -> String {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = |character: &char| character.is_alphanumeric() || " -_".contains(*character);
        heading.chars().filter(kept).collect::<String>().replace(' ', "-")
    };
    prose.lines().filter(|line| line.starts_with('#')).map(anchor).collect()
}

#[test]
fn top_readme_fits_into_9000_bytes() {
    let bytes = page("README.md").text.len();
    assert!(bytes <= MAX_README_BYTES, "{bytes} bytes");
}

#[test]
fn files_named_on_pages_exist() {
    let known = [
        ".ci",
        "functions",
        "shared",
        "events",
        "tests",
        "template.yaml",
        "samconfig.toml",
        "Cargo.toml",
    ];
    let is_path = |word: &&str| known.iter().any(|first| word.split('/').next() == Some(*first));
    let mut seen = 0;
    for page in pages() {
        let prose = page.prose();
        let words = prose.split('`').skip(1).step_by(2);
        for path in words.filter(is_path).filter(|word| !word.contains(['<', ' ', '*'])) {
            let exists = Path::new(ROOT).join(path).exists();
            assert!(exists, "{}: {path} does not exist", page.path.display());
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen} paths");
}

#[test]
fn links_between_pages_resolve() {
    let mut seen = 0;
    for page in pages() {
        let prose = page.prose();
        let links = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let from = Path::new(ROOT).join(&page.path);
            let target = match file {
                "" => from,
                file => from.with_file_name(file),
            };
            assert!(target.exists(), "{}: {link} does not exist", page.path.display());
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&target).unwrap();
                let path = target;
                let anchors = anchors(&Page { path, text }.prose());
                assert!(
                    anchors.contains(anchor),
                    "{}: {link} is not in {anchors:?}",
                    page.path.display()
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen} links");
}

#[test]
fn each_known_fault_of_others_has_a_test() {
    let page = page("tests/README.md");
    let (_, section) = page.text.split_once("## Known faults of others").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let mut faults = 0;
    for row in section.lines().filter(|line| line.starts_with('|')).skip(2) {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [_, fault, file, test, _] = cells[..] else {
            panic!("not three columns: {row}");
        };
        let source = std::fs::read_to_string(Path::new(ROOT).join(file)).unwrap();
        assert!(source.contains(&format!("fn {test}(")), "{file} has no test {test}");
        faults += usize::from(!fault.is_empty());
    }
    assert_eq!(faults, 8);
}

/// The packages of the workspace, with the names of their integration tests.
fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let mut metadata = cargo(&["metadata", "--no-deps", "--offline", "--format-version=1"]);
    let metadata = metadata.current_dir(ROOT).output().unwrap().stdout;
    let metadata: Value = serde_json::from_slice(&metadata).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let package = |package: &Value| {
        let targets = package["targets"].as_array().unwrap().iter();
        let tests = targets.filter(|target| target["kind"][0] == "test").map(name);
        (name(package), tests.collect())
    };
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

#[test]
fn cargo_commands_on_pages_name_existing_packages_and_tests() {
    let packages = packages();
    let mut seen = 0;
    for page in pages() {
        for line in page.blocks("sh").concat() {
            let words: Vec<_> = line.split_whitespace().take_while(|word| *word != "--").collect();
            if !matches!(words[..], ["cargo", "run" | "test", ..]) {
                continue;
            }
            let value = |flag: &str| words.iter().skip_while(|word| **word != flag).nth(1).copied();
            let Some(package) = value("-p") else {
                continue;
            };
            let tests = packages.get(package);
            let tests = tests.unwrap_or_else(|| panic!("{}: there is no package {package}", page.path.display()));
            let exists = value("--test").is_none_or(|test| tests.contains(test));
            assert!(exists, "{}: not among {tests:?}: {line}", page.path.display());
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen} commands");
}

// samples: begin
/// The first code block of a language that contains this text.
fn block<'a>(page: &'a Page, language: &str, containing: &str) -> Vec<&'a str> {
    let mut blocks = page.blocks(language).into_iter();
    let block = blocks.find(|block| block.iter().any(|line| line.contains(containing)));
    block.unwrap()
}

/// The output of a command, which must succeed.
fn run(command: &mut Command) -> String {
    let done = command.output().unwrap();
    let printed = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert!(done.status.success(), "{command:?}: {printed}");
    printed
}

// samples: end
/// A cargo without the variables of this package, because build scripts would rerun for them.
fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&variable);
        }
    }
    cargo.args(arguments);
    cargo
}

// samples: begin
#[test]
fn function_of_the_recipe_takes_under_60_lines_in_the_template() {
    let recipe = page("functions/README.md");
    let entry = block(&recipe, "yaml", "Refunds:").join("\n");
    let section = block(&recipe, "yaml", "RefundOrder:").join("\n");
    assert!(entry.lines().chain(section.lines()).count() < 60);
    assert!(
        recipe
            .text
            .contains("add `Refunds` to the queues of `Standard`, and this entry to `Queues`")
    );

    let mut template = std::fs::read_to_string(Path::new(ROOT).join("template.yaml")).unwrap();
    for (after, added) in [
        ("    Standard:\n      Queues: [", "Refunds, "),
        ("\n  Queues:\n", &*format!("{entry}\n")),
        ("\nResources:\n", &*format!("{section}\n")),
    ] {
        assert_eq!(template.matches(after).count(), 1, "{after}");
        template = template.replacen(after, &format!("{after}{added}"), 1);
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("refunds.yaml");
    std::fs::write(&path, template).unwrap();
    let settings = Settings {
        urls: Some("https://example.com".to_owned()),
        ..Settings::default()
    };
    let template = Template::read(&path, &settings).unwrap();
    let mapping = template
        .mappings
        .iter()
        .find(|mapping| mapping.function == "refund-order");
    assert_eq!(mapping.unwrap().queue, "refunds");
    let resources = Template::resources(&path, &settings).unwrap();
    let own = resources
        .iter()
        .filter(|resource| resource.properties.to_string().contains("refund"));
    // The function, its two queues, mapping, policy of the queues, log group, role and six alarms.
    assert_eq!(own.count(), 13);
}

#[test]
fn function_added_by_the_recipe_compiles_without_warnings() {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("added");
    let _ = std::fs::remove_dir_all(&copy);
    std::fs::create_dir_all(&copy).unwrap();
    let workspace = [
        "Cargo.toml",
        "Cargo.lock",
        ".rustfmt.toml",
        "functions",
        "shared",
        "tests",
    ];
    run(Command::new("cp")
        .arg("-r")
        .args(workspace)
        .arg(&copy)
        .current_dir(ROOT));
    // Another version, so that cargo distinguishes the copy's artifacts from this workspace's.
    let manifest = std::fs::read_to_string(copy.join("Cargo.toml")).unwrap();
    let renamed = manifest.replace("version = \"0.1.0\"", "version = \"0.1.0-copy\"");
    assert_ne!(renamed, manifest);
    std::fs::write(copy.join("Cargo.toml"), renamed).unwrap();

    let (top, recipe) = (page("README.md"), page("functions/README.md"));
    let commands = block(&recipe, "sh", "cp -r functions/send-notification").join("\n");
    run(Command::new("sh").args(["-e", "-c", &commands]).current_dir(&copy));
    let (_, line) = recipe.text.split_once("about its purpose, `").unwrap();
    let first = vec![line.split('`').next().unwrap(), ""];
    let handler = block(&top, "rust", "impl Handler for RefundOrder");
    let built = [vec![""], block(&recipe, "rs", "impl RefundOrder {")].concat();
    let source = [first, handler, built].concat().join("\n") + "\n";
    let function = copy.join("functions/refund-order");
    std::fs::write(function.join("src/lib.rs"), source).unwrap();

    let cargo = |arguments: &[&str]| run(cargo(arguments).current_dir(&copy));
    cargo(&["fmt", "--check", "--package=refund-order"]);
    // The target directory and the features of this workspace, because its dependencies are already built there.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let target = format!("--target-dir={}", target.display());
    let printed = cargo(&[
        "build",
        "--offline",
        "--package=refund-order",
        "--package=local",
        &target,
    ]);
    assert!(!printed.contains("warning"), "{printed}");

    let manifest: toml::Table = toml::from_str(&std::fs::read_to_string(function.join("Cargo.toml")).unwrap()).unwrap();
    assert_eq!(manifest["package"]["description"].as_str(), Some("Refunds orders"));
    assert!(!manifest.contains_key("dev-dependencies"));
    let sources = ["src/lib.rs", "src/main.rs"].map(|file| std::fs::read_to_string(function.join(file)).unwrap());
    for dependency in manifest["dependencies"].as_table().unwrap().keys() {
        let path = format!("{}::", dependency.replace('-', "_"));
        assert!(sources.concat().contains(&path), "{dependency} is not used");
    }
    std::fs::remove_dir_all(copy).unwrap();
}
// samples: end
