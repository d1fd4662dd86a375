//! Directions of dependencies, top-level entries, one compilation of each dependency, and what the fuzz program names.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .current_dir(ROOT)
        .args(arguments)
        .arg("--locked")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "cargo {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The packages of the workspace: path, and dependencies without those of tests, fuzz targets and optional features.
fn packages() -> BTreeMap<String, (String, BTreeSet<String>)> {
    packages_with(|dependency| !dependency["optional"].as_bool().unwrap())
}

/// The same with those dependencies only that are selected.
fn packages_with(selected: impl Fn(&Value) -> bool) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version=1"])).unwrap();
    let root = metadata["workspace_root"].as_str().unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let package = |package: &Value| {
        let manifest = package["manifest_path"]
            .as_str()
            .unwrap()
            .trim_start_matches(root)
            .trim_start_matches('/');
        // Those of fuzz targets are for `cfg(fuzzing)` only.
        let normal = |dependency: &&Value| {
            dependency["kind"].is_null() && dependency["target"].is_null() && selected(dependency)
        };
        let dependencies = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(normal)
            .map(name)
            .collect();
        (
            name(package),
            (manifest.trim_end_matches("/Cargo.toml").to_owned(), dependencies),
        )
    };
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

/// All direct and indirect dependencies of a package, without those of tests.
fn below(package: &str) -> BTreeSet<String> {
    let tree = cargo(&[
        "tree",
        "--package",
        package,
        "--edges=normal",
        "--prefix=none",
        "--format={p}",
    ]);
    tree.lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

/// The names of the functions' packages.
fn functions() -> BTreeSet<String> {
    let packages = packages().into_iter();
    let functions = packages.filter(|(_, (path, _))| path.starts_with("functions/"));
    let names: BTreeSet<_> = functions.map(|(name, _)| name).collect();
    assert!(!names.is_empty());
    names
}

#[test]
fn the_core_names_no_cloud_sdk_no_lambda_type_and_no_broker() {
    // Without the feature `dynamodb`, which resolving the whole workspace always turns on.
    for package in ["idempotency", "consumer"] {
        let tree = cargo(&[
            "tree",
            "--package",
            package,
            "--edges=normal",
            "--no-default-features",
            "--prefix=none",
            "--format={p}",
        ]);
        let names: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        assert!(
            names.contains(&"idempotency") && names.contains(&"serde_json"),
            "{names:?}"
        );
        let foreign = [
            "aws", "lambda", "sqs", "azure", "google", "lapin", "amqp", "postgres", "hyper",
        ];
        let foreign: Vec<_> = names
            .iter()
            .filter(|name| foreign.iter().any(|word| name.contains(word)))
            .collect();
        assert!(foreign.is_empty(), "{package}: {foreign:?}");
    }
}

#[test]
fn no_package_depends_on_a_function() {
    let packages = packages();
    let functions = functions();
    for (name, (path, dependencies)) in &packages {
        assert!(
            path == "tests" || dependencies.is_disjoint(&functions),
            "{name} depends on a function"
        );
    }
}

#[test]
fn only_tests_and_the_demo_depend_on_test_support() {
    for (name, (path, dependencies)) in packages() {
        let support: Vec<_> = ["conformance", "hostile", "scripted", "testing"]
            .into_iter()
            .filter(|support| dependencies.contains(*support))
            .collect();
        assert!(
            support.is_empty() || path.starts_with("tests"),
            "{name} depends on {support:?}"
        );
    }
}

#[test]
fn dependencies_point_from_functions_down_to_idempotency() {
    let packages = packages();
    let ours = |name: &str| -> Vec<&str> {
        let (_, dependencies) = &packages[name];
        let ours = dependencies.iter().map(String::as_str);
        ours.filter(|name| packages.contains_key(*name)).collect()
    };
    let rules: [(&str, &[&str]); 16] = [
        ("aws", &[]),
        ("idempotency", &[]),
        ("cloud-tasks", &["aws", "consumer", "idempotency"]),
        ("consumer", &["idempotency"]),
        ("host", &["consumer", "idempotency"]),
        ("http-client", &["aws", "consumer", "host"]),
        ("producer", &["consumer", "idempotency"]),
        ("scripted", &["consumer", "idempotency"]),
        ("secrets", &["consumer", "host", "http-client"]),
        ("postgres", &["idempotency"]),
        (
            "service",
            &["aws", "consumer", "host", "idempotency", "postgres", "telemetry"],
        ),
        ("sqs", &["aws", "consumer", "idempotency"]),
        ("azure-queue", &["aws", "consumer", "idempotency"]),
        ("telemetry", &["aws", "consumer", "host"]),
        ("lambda", &["aws", "consumer", "host", "idempotency", "sqs"]),
        (
            "operator",
            &["aws", "cli", "consumer", "idempotency", "postgres", "sqs"],
        ),
    ];
    for (package, expected) in rules {
        assert_eq!(ours(package), expected, "{package}");
    }
    for function in functions() {
        for dependency in ours(&function) {
            let allowed = ["consumer", "host", "http-client", "idempotency", "lambda", "secrets"];
            assert!(allowed.contains(&dependency), "{function} depends on {dependency}");
        }
    }
}

/// A Lambda's binary has nothing of the other hosts and stores: those are optional features of the function's crate.
#[test]
fn only_a_feature_of_a_function_brings_another_host() {
    let optional = packages_with(|dependency| dependency["optional"].as_bool().unwrap());
    let functions = functions();
    assert!(functions.iter().all(|function| optional[function].1.contains("worker")));
    for (package, (_, dependencies)) in &optional {
        let allowed = match functions.contains(package) {
            true => &["postgres", "push", "worker"][..],
            // Of the store in DynamoDB.
            false => &["aws-sdk-dynamodb", "futures-util", "tracing"],
        };
        for dependency in dependencies {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{package}: optional {dependency}"
            );
        }
    }
    for function in functions {
        let below = below(&function);
        for foreign in [
            "worker",
            "push",
            "service",
            "axum",
            "cloud-tasks",
            "postgres",
            "rabbitmq",
            "azure-queue",
            "quick-xml",
            "tokio-postgres",
            "lapin",
            "prometheus-client",
            "opentelemetry",
            "telemetry",
        ] {
            assert!(!below.contains(foreign), "{function} depends on {foreign}");
        }
    }
}

#[test]
fn tools_do_not_depend_on_a_lambda_runtime() {
    for tool in ["operator", "local"] {
        let below = below(tool);
        assert!(below.contains("aws-sdk-sqs"), "{tool}");
        assert!(!below.contains("lambda_runtime"), "{tool}");
    }
}

#[test]
fn dependencies_of_the_local_stack_point_down() {
    let packages = packages();
    let ours = |name: &str| -> BTreeSet<&str> {
        let (_, dependencies) = &packages[name];
        let names = dependencies.iter().map(String::as_str);
        names.filter(|name| packages.contains_key(*name)).collect()
    };
    for name in ["cli", "emulator"] {
        assert_eq!(ours(name), BTreeSet::new(), "{name}");
    }
    assert_eq!(ours("sam"), BTreeSet::from(["cli"]));
    assert_eq!(ours("local"), BTreeSet::from(["aws", "cli", "emulator", "sam"]));
    assert_eq!(ours("testing"), BTreeSet::from(["emulator", "idempotency", "local"]));
    let functions = functions();
    // The demo goes with the sample functions.
    for name in ["demo", "local", "operator", "testing"]
        .into_iter()
        .filter(|name| packages.contains_key(*name))
    {
        assert!(below(name).is_disjoint(&functions), "{name} depends on a function");
    }
}

#[test]
fn functions_use_ring_with_compiled_in_roots_for_tls() {
    for function in functions() {
        let below = below(&function);
        assert!(below.contains("ring") && below.contains("webpki-roots"), "{function}");
        for unwanted in [
            "aws-lc-rs",
            "aws-lc-sys",
            "openssl",
            "rustls-native-certs",
            "h2",
            "aws-sdk-sso",
        ] {
            assert!(!below.contains(unwanted), "{function} depends on {unwanted}");
        }
    }
}

#[test]
fn no_two_functions_share_a_namespace() {
    let mut namespaces = BTreeMap::new();
    for (path, _) in packages().values().filter(|(path, _)| path.starts_with("functions/")) {
        let namespace = testing::namespace(path.trim_start_matches("functions/"));
        assert_eq!(
            namespaces.insert(namespace, path.clone()),
            None,
            "{path} and another function share a namespace"
        );
    }
    assert_eq!(namespaces.len(), functions().len());
}

/// Packages with the features they are resolved to.
fn resolved(arguments: &[&str]) -> BTreeSet<String> {
    let tree = cargo(&[&["tree", "--prefix=none", "--format={p} [{f}]"], arguments].concat());
    let clean = |line: &str| line.replace(" (*)", "").replace(" (proc-macro)", "");
    tree.lines()
        .map(clean)
        .filter(|line| !line.is_empty() && !line.contains("(/"))
        .collect()
}

/// The same for the functions, built together with these packages.
fn resolved_together(others: &[&str]) -> BTreeSet<String> {
    let packages = functions().into_iter().map(|function| format!("--package={function}"));
    let packages: Vec<_> = packages.collect();
    let packages = packages.iter().map(String::as_str).chain(others.iter().copied());
    resolved(&packages.chain(["--edges=normal,build"]).collect::<Vec<_>>())
}

/// The argument by which the stack builds each function that can run as a worker as one.
fn worker_features() -> String {
    let is_worker = |function: &String| {
        let manifest = fs::read_to_string(format!("{ROOT}/functions/{function}/Cargo.toml")).unwrap();
        let manifest: toml::Table = toml::from_str(&manifest).unwrap();
        let features = manifest.get("features").and_then(toml::Value::as_table);
        features.is_some_and(|features| features.contains_key("worker"))
    };
    let workers = functions().into_iter().filter(is_worker);
    let features: Vec<_> = workers.map(|function| format!("{function}/worker")).collect();
    format!("--features={}", features.join(","))
}

/// Packages that both have, with features that the other's does not have.
fn with_other_features<'a>(one: &'a BTreeSet<String>, other: &'a BTreeSet<String>) -> Vec<&'a String> {
    let package = |line: &str| line.split(" [").next().unwrap().to_owned();
    let packages: BTreeSet<_> = other.iter().map(|line| package(line)).collect();
    one.difference(other)
        .filter(|line| packages.contains(&package(line)))
        .collect()
}

#[test]
fn plain_build_compiles_functions_with_their_own_features() {
    let plain = resolved(&["--edges=normal,build"]);
    let functions = resolved_together(&[]);
    let foreign: Vec<_> = plain.symmetric_difference(&functions).collect();
    assert!(foreign.is_empty(), "not of the functions: {foreign:#?}");
    // Features that a tool may use and a function must not have.
    let heavier =
        |line: &&String| line.starts_with("aws-config ") && (line.contains("sso") || line.contains("process"));
    assert_eq!(plain.iter().find(heavier), None);
    assert!(resolved(&["--package=operator"]).iter().any(|line| heavier(&line)));
    for tool in ["aws-sdk-sso ", "clap ", "indicatif "] {
        assert!(!plain.iter().any(|line| line.starts_with(tool)), "{tool}");
    }
}

#[test]
fn stack_and_tests_compile_no_dependency_twice() {
    // In the order in which a newcomer runs them: each would compile again what another has compiled with other features.
    let packages = packages();
    let runs = ["local", "demo"]
        .into_iter()
        .filter(|name| packages.contains_key(*name));
    let runs = runs.map(|name| {
        let package = format!("--package={name}");
        (
            format!("cargo run -p {name}"),
            resolved(&[&package, "--edges=normal,build"]),
        )
    });
    let as_workers = worker_features();
    let others = [
        ("functions, built by the stack", resolved_together(&["--package=local"])),
        (
            "workers, built by the stack",
            resolved_together(&["--package=local", &as_workers]),
        ),
        (
            "workers and HTTP application, built by the stack",
            resolved_together(&["--package=local", "--package=producer", &as_workers, "--edges=dev"]),
        ),
        ("cargo test --workspace", resolved(&["--workspace"])),
    ];
    let others = others.map(|(name, resolved)| (name.to_owned(), resolved));
    let builds: Vec<_> = runs.chain(others).collect();
    for (name, one) in &builds {
        for (other_name, other) in &builds {
            let twice = with_other_features(one, other);
            assert!(twice.is_empty(), "{name} and {other_name} differ: {twice:#?}");
        }
    }
    let manifest = fs::read_to_string(format!("{ROOT}/Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&manifest).unwrap();
    let dev = &manifest["profile"]["dev"];
    let of_the_build = dev.get("build-override").and_then(|it| it.get("debug"));
    assert!(dev.get("debug").is_some(), "no debug in {dev:?}");
    assert_eq!(dev.get("debug"), of_the_build, "debug of build-override in {dev:?}");
}

#[test]
fn top_level_entries_are_the_listed_ones() {
    let allowed = [
        "Cargo.toml",
        "Cargo.lock",
        "functions",
        "shared",
        "template.yaml",
        "samconfig.toml",
        "events",
        "tests",
        "README.md",
        "LICENSE",
    ];
    let listed = Command::new("git")
        .args(["ls-tree", "--name-only", "HEAD"])
        .current_dir(ROOT)
        .output();
    let names = match listed {
        Ok(listed) if listed.status.success() => String::from_utf8(listed.stdout).unwrap(),
        // Not a checkout: the directory's entries without cargo's.
        _ => fs::read_dir(ROOT)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap() + "\n")
            .filter(|name| name != "target\n")
            .collect(),
    };
    let foreign: Vec<_> = names
        .lines()
        .filter(|name| !name.starts_with('.') && !allowed.contains(name))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    for name in allowed {
        assert!(Path::new(ROOT).join(name).exists(), "{name} is missing");
    }
}

/// The text of each `fuzz.rs` of a crate in `shared/`.
fn fuzz_modules(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: PathBuf| match path {
        path if path.is_dir() => fuzz_modules(&path),
        path if path.ends_with("fuzz.rs") => fs::read_to_string(path).unwrap(),
        _ => String::new(),
    };
    entries.map(text).collect()
}

/// `.ci/run` does not compile this program: that would compile all of its dependencies for `cfg(fuzzing)`.
#[test]
fn fuzz_targets_have_their_properties_and_seeds() {
    let program = fs::read_to_string(Path::new(ROOT).join("tests/fuzz/src/main.rs")).unwrap();
    let targets = program.lines().filter_map(|line| {
        let (target, path) = line
            .trim()
            .strip_prefix("(\"")?
            .strip_suffix("),")?
            .split_once("\", ")?;
        let (package, property) = path.split_once("::fuzz::")?;
        Some((target, package, property))
    });
    let mut seeds = BTreeSet::new();
    for (target, package, property) in targets {
        let modules = fuzz_modules(&Path::new(ROOT).join("shared").join(package).join("src"));
        let declared = format!("pub fn {property}(input: &[u8]) {{");
        assert!(modules.contains(&declared), "{target}: {package} has no {declared}");
        seeds.insert(target.to_owned());
    }
    let folders = fs::read_dir(Path::new(ROOT).join("tests/fuzz/seeds")).unwrap();
    let folders = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap());
    assert_eq!(seeds, folders.collect());
}
