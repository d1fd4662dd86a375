use std::path::PathBuf;

use super::*;
use crate::{NewFunction, NewMode};

/// A workspace with a sample and another function, in a folder of this test's own.
fn workspace(name: &str) -> PathBuf {
    let root = std::env::temp_dir().join(format!("removing-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&root);
    let mapping = |queue: &str, function: &str| {
        format!("    {queue}:\n      Name: {function}\n      FunctionName: {function}\n      Functions: [{queue}]\n")
    };
    let section = |queue: &str, function: &str| {
        format!(
            "  # {function}: works.\n\n  {queue}Queue:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: {function}\n\n"
        )
    };
    let template = [
        "Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]\n",
        "Parameters:\n  OwnUrl:\n    Type: String\n\nMappings:\n  Kinds:\n    Standard:\n      Queues: [Orders, Own]\n  Queues:\n",
        &mapping("Orders", "place-order"),
        &mapping("Own", "keep-line"),
        "\nResources:\n",
        &section("Orders", "place-order"),
        &section("Own", "keep-line"),
        "  # Standard queues, each with more.\n\n  Table:\n    Type: AWS::DynamoDB::Table\n    Properties:\n      TableName: !Ref OwnUrl\n      BillingMode: \
         PAY_PER_REQUEST\n      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]\n      KeySchema: [{AttributeName: id, KeyType: HASH}]\n",
    ];
    let package = |name: &str| format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n");
    for (path, text) in [
        (
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"functions/*\", \"tests/demo\"]\n".to_owned(),
        ),
        (
            "Cargo.lock",
            "version = 4\n\n[[package]]\nname = \"place-order\"\nversion = \"0.0.0\"\n".to_owned(),
        ),
        ("README.md", "# Ours\n\n| `functions/place-order` |\n".to_owned()),
        ("events/place-order/valid.json", "{}".to_owned()),
        ("functions/keep-line/Cargo.toml", package("keep-line")),
        ("functions/keep-line/src/lib.rs", String::new()),
        ("functions/place-order/Cargo.toml", package("place-order")),
        ("functions/place-order/src/lib.rs", String::new()),
        ("samconfig.toml", "version = 0.1\n".to_owned()),
        (
            "template.yaml",
            template
                .concat()
                .replace("TableName: !Ref OwnUrl", "TableName: !Sub \"own-${AWS::Region}\""),
        ),
        ("tests/demo/Cargo.toml", package("demo")),
        ("tests/demo/src/lib.rs", String::new()),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

/// All files by path, with their texts, without those of git.
fn files(root: &Path) -> BTreeSet<(PathBuf, String)> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true if path.ends_with(".git") => {}
            true => files.extend(self::files(&path)),
            false => drop(files.insert((path.clone(), fs::read_to_string(path).unwrap()))),
        }
    }
    files
}

/// Removing fails, and changes nothing.
#[track_caller]
fn refused(root: &Path) -> String {
    let before = files(root);
    let error = remove_samples(root).unwrap_err();
    assert!(files(root) == before, "{error}: the workspace has changed");
    error.to_string()
}

#[test]
fn samples_go_and_the_other_function_stays() {
    let root = workspace("all");
    let removed = remove_samples(&root).unwrap();
    assert_eq!(removed.functions, ["place-order"]);
    assert_eq!(
        removed.paths,
        ["events/place-order", "functions/place-order", "tests/demo"]
    );
    assert_eq!(removed.texts, ["template.yaml", "Cargo.toml", "README.md"]);
    let files = files(&root);
    assert!(
        files.iter().all(|(_, text)| !text.contains("place-order")),
        "{files:#?}"
    );
    assert!(read(&root, LOCK).unwrap().contains("keep-line"));
    assert!(!root.join(swap::FOLDER).exists());
    assert!(refused(&root).ends_with("nothing is left to remove"));
}

#[test]
fn without_another_function_nothing_is_removed() {
    let root = workspace("alone");
    let template = read(&root, TEMPLATE).unwrap();
    let alone = template::without(&template, &["keep-line".to_owned()]).unwrap().0;
    fs::write(root.join(TEMPLATE), alone).unwrap();
    assert!(refused(&root).contains("no function but the samples"));
}

#[test]
fn reference_to_a_sample_is_refused() {
    let root = workspace("used");
    let template = read(&root, TEMPLATE).unwrap();
    let used = template.replace("QueueName: keep-line", "QueueName: !GetAtt OrdersQueue.QueueName");
    fs::write(root.join(TEMPLATE), used).unwrap();
    assert!(refused(&root).starts_with("without the samples, template.yaml would be refused"));
}

#[test]
fn refusal_of_cargo_restores_everything() {
    let root = workspace("cargo");
    let manifest = root.join("functions/keep-line/Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(
        &manifest,
        text + "[dependencies]\nplace-order.path = \"../place-order\"\n",
    )
    .unwrap();
    assert!(refused(&root).starts_with("without the samples, cargo would refuse the workspace: "));
}

#[test]
fn folder_of_an_interrupted_run_is_refused() {
    let root = workspace("interrupted");
    fs::create_dir(root.join(swap::FOLDER)).unwrap();
    assert!(refused(&root).contains(".removing is left from a run that was interrupted"));
}

/// Writing a function instead of the samples fails, and changes nothing.
#[track_caller]
fn refused_with_function(root: &Path) -> String {
    let function = NewFunction {
        name: "charge-card".to_owned(),
        mode: NewMode::Claim,
        fifo: false,
        http: true,
        table: None,
    };
    let before = files(root);
    let error = function.write_instead_of_samples(root).unwrap_err();
    assert!(files(root) == before, "{error}: the workspace has changed");
    error.to_string()
}

/// A workspace with the samples alone, whose template takes a function.
fn samples_alone(name: &str) -> PathBuf {
    let root = workspace(name);
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/new/fixture");
    for file in [TEMPLATE, STAGES] {
        fs::copy(fixture.join(file), root.join(file)).unwrap();
    }
    let template = read(&root, TEMPLATE).unwrap().replace(" # by kind", "");
    fs::write(root.join(TEMPLATE), template).unwrap();
    root
}

#[test]
fn nothing_is_written_if_the_samples_can_not_go() {
    let root = samples_alone("instead");
    // The fixture has not the dependencies of the new function.
    let refused = refused_with_function(&root);
    assert!(
        refused.starts_with("without the samples, cargo would refuse the workspace: "),
        "{refused}"
    );
    fs::create_dir(root.join(swap::FOLDER)).unwrap();
    assert!(refused_with_function(&root).contains(".removing is left from a run that was interrupted"));
    fs::remove_dir(root.join(swap::FOLDER)).unwrap();
    let none = fs::read_to_string(root.join(TEMPLATE)).unwrap();
    let none = ["place-order", "send-notification", "reserve-stock"]
        .into_iter()
        .fold(none, |text, name| text.replace(name, &format!("own-{name}")));
    fs::write(root.join(TEMPLATE), none).unwrap();
    assert!(refused_with_function(&root).ends_with("nothing is left to remove"));
}

#[test]
fn function_with_the_name_of_a_sample_does_not_replace_it() {
    let root = samples_alone("sample");
    let function = NewFunction {
        name: "place-order".to_owned(),
        mode: NewMode::Claim,
        fifo: false,
        http: false,
        table: None,
    };
    let refused = function.write_instead_of_samples(&root).unwrap_err().to_string();
    assert!(
        refused.starts_with("place-order is the name of a sample function"),
        "{refused}"
    );
}

/// Runs git in the workspace.
#[track_caller]
fn git(root: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    let mut git = Command::new("git");
    let done = git.args(identity).args(arguments).current_dir(root).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

fn commit(root: &Path) {
    git(root, &["init", "-q"]);
    git(root, &["add", "."]);
    git(root, &["commit", "-q", "-m", "all"]);
}

#[test]
fn uncommitted_changes_are_refused() {
    let root = workspace("uncommitted");
    fs::write(root.join(".gitignore"), ".env\n").unwrap();
    commit(&root);
    for path in [
        "functions/place-order/src/lib.rs",
        "functions/place-order/new.rs",
        "functions/place-order/.env",
        "README.md",
        "template.yaml",
    ] {
        let before = read(&root, path).unwrap_or_default();
        fs::write(root.join(path), format!("{before}# mine\n")).unwrap();
        let error = remove_samples(&root).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{path} would be removed or edited")),
            "{error}"
        );
        assert_eq!(refused_with_function(&root), error);
        fs::remove_file(root.join(path)).unwrap();
        git(&root, &["checkout", "-q", "."]);
    }
    remove_samples(&root).unwrap();
}

#[test]
fn failure_of_git_is_refused() {
    let root = workspace("git");
    commit(&root);
    fs::write(root.join(".git/index"), "damaged").unwrap();
    let error = remove_samples(&root).unwrap_err().to_string();
    assert!(
        error.starts_with("git can't tell whether everything is committed: "),
        "{error}"
    );
}

// samples: begin
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The files of this workspace that git tracks.
fn tracked() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files"])
        .current_dir(ROOT)
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().map(str::to_owned).collect()
}

#[test]
fn list_names_what_exists_and_every_marked_text() {
    for path in paths() {
        assert!(Path::new(ROOT).join(&path).exists(), "{path} does not exist");
    }
    let goes = |path: &String| paths().iter().any(|gone| path.starts_with(gone));
    let marked = tracked().into_iter().filter(|path| {
        let is_own = path.starts_with("shared/local/src/new/remove/texts.rs");
        !is_own
            && !goes(path)
            && fs::read_to_string(Path::new(ROOT).join(path)).is_ok_and(|text| text.contains("samples: begin"))
    });
    let listed: BTreeSet<_> = TEXTS.map(str::to_owned).into();
    let marked: BTreeSet<_> = marked.collect();
    assert_eq!(
        marked.difference(&listed).collect::<Vec<_>>(),
        [""; 0],
        "marked, but not in TEXTS"
    );
}

#[test]
fn texts_of_this_workspace_name_nothing_that_goes() {
    let template = fs::read_to_string(Path::new(ROOT).join(TEMPLATE)).unwrap();
    let samples = FUNCTIONS.map(str::to_owned);
    let (rest, parameters) = template::without(&template, &samples).unwrap();
    assert_eq!(parameters, ["NotificationUrl"]);
    for word in FUNCTIONS
        .into_iter()
        .chain(["Orders", "Reservations", "NotificationUrl"])
    {
        assert!(!rest.contains(word), "template.yaml names {word}");
    }
    let pages = tracked().into_iter().filter(|path| path.ends_with(".md"));
    let others =
        pages.filter(|path| !TEXTS.contains(&path.as_str()) && !paths().iter().any(|gone| path.starts_with(gone)));
    for page in others {
        let text = fs::read_to_string(Path::new(ROOT).join(&page)).unwrap();
        for gone in paths() {
            assert!(!text.contains(&gone), "{page} names {gone}, but is not in TEXTS");
        }
    }
    for path in TEXTS {
        let text = fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
        let rest = texts::without_samples(path, &text, &FUNCTIONS, &paths()).unwrap();
        assert!(rest != text, "{path} loses nothing");
        let is_about_removing = path.ends_with("remove/tests.rs");
        for gone in paths().into_iter().filter(|_| !is_about_removing) {
            assert!(!rest.contains(&gone), "{path} names {gone}");
        }
    }
}
// samples: end
