use std::collections::BTreeMap;
use std::fs;

use sam::{Settings, Template};
use uuid::Uuid;

use super::*;

/// A project in a temporary folder of the test. Not this workspace, whose functions have any names.
struct Project(PathBuf);

const FILES: [&str; 3] = ["template.yaml", "samconfig.toml", "Cargo.lock"];

impl Project {
    fn copy() -> Self {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/new/fixture");
        let copy = std::env::temp_dir().join(Uuid::new_v4().to_string());
        for folder in ["functions", "events"] {
            fs::create_dir_all(copy.join(folder)).unwrap();
        }
        for file in ["template.yaml", "samconfig.toml"] {
            fs::copy(fixture.join(file), copy.join(file)).unwrap();
        }
        let lock = "[[package]]\nname = \"aws-config\"\n\n[[package]]\nname = \"serde_json\"\n";
        fs::write(copy.join("Cargo.lock"), lock).unwrap();
        Self(copy)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap()
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(self.0.join(file), text.replace(from, to)).unwrap();
    }

    /// All files below the folder, with their texts.
    fn all(&self) -> BTreeMap<PathBuf, String> {
        let mut folders = vec![self.0.clone()];
        let mut files = BTreeMap::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => drop(files.insert(path.clone(), fs::read_to_string(path).unwrap())),
                }
            }
        }
        files
    }

    /// Asserts that this function is refused, and that nothing is changed. Returns the reason.
    #[track_caller]
    fn refusal(&self, function: &NewFunction) -> String {
        let before = self.all();
        let refusal = function.write(&self.0).unwrap_err().to_string();
        assert_eq!(self.all(), before, "{refusal}");
        refusal
    }

    fn template(&self) -> Template {
        let settings = Settings {
            urls: Some("http://127.0.0.1".to_owned()),
            ..Settings::default()
        };
        Template::read(&self.0.join("template.yaml"), &settings).unwrap()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn function(name: &str) -> NewFunction {
    NewFunction {
        name: name.to_owned(),
        mode: NewMode::Claim,
        fifo: false,
        http: false,
        table: None,
    }
}

fn charge_card() -> NewFunction {
    NewFunction {
        http: true,
        table: Some("charges".to_owned()),
        ..function("charge-card")
    }
}

/// Asserts that `after` is `before` with lines inserted. Returns these.
#[track_caller]
fn inserted<'a>(before: &str, after: &'a str) -> Vec<&'a str> {
    let mut before = before.lines().peekable();
    let inserted = after.lines().filter(|line| before.next_if_eq(line).is_none()).collect();
    assert_eq!(before.next(), None, "a line is lost or changed");
    inserted
}

#[test]
fn everything_of_a_function_is_written() {
    let project = Project::copy();
    let written = charge_card().write(&project.0).unwrap();
    assert_eq!(written.queue, "charge-card");
    assert_eq!(written.url_parameter.as_deref(), Some("ChargeCardUrl"));
    for file in &written.files {
        assert!(project.0.join(file).is_file(), "{}", file.display());
    }
    let template = project.template();
    let mut functions = template.functions.iter();
    let function = functions.find(|function| function.name == "charge-card").unwrap();
    assert_eq!(function.binary, "charge-card");
    let environment = |name: &str| function.environment[name].as_str();
    assert_eq!(environment("CHARGES_TABLE"), "charges");
    assert_eq!(environment("CHARGE_CARD_URL"), "http://127.0.0.1/ChargeCardUrl");
    assert!(environment("DEAD_LETTER_QUEUE_URL").ends_with("/charge-card-dlq"));
    assert!(template.tables.iter().any(|table| table.name == "charges"));
    assert!(!project.0.join(".new-charge-card").exists());
}

#[test]
fn files_keep_their_lines_and_comments() {
    let project = Project::copy();
    let before = FILES.map(|file| project.read(file));
    charge_card().write(&project.0).unwrap();
    // Apart from the one line with the list of queues.
    let list = |text: &str| {
        text.replace(
            "Queues: [Orders, Notifications, ChargeCard]",
            "Queues: [Orders, Notifications]",
        )
    };
    let lines = list(&project.read("template.yaml"));
    let added = inserted(&before[0], &lines);
    assert!(added.len() <= 60, "{} lines", added.len());
    let stages = project.read("samconfig.toml");
    assert_eq!(
        inserted(&before[1], &stages),
        [
            "    \"ChargeCardUrl=https://charge-card.dev.example.com/\",",
            "    \"ChargeCardUrl=https://charge-card.staging.example.com/\",",
            "    \"ChargeCardUrl=https://charge-card.example.com/\",",
        ]
    );
}

#[test]
fn second_function_is_beside_the_first() {
    let project = Project::copy();
    charge_card().write(&project.0).unwrap();
    let fifo = NewFunction {
        fifo: true,
        mode: NewMode::OneStep,
        table: Some("items".to_owned()),
        ..function("store-item")
    };
    assert_eq!(fifo.write(&project.0).unwrap().queue, "store-item.fifo");
    let template = project.template();
    for (function, queue) in [("charge-card", "charge-card"), ("store-item", "store-item.fifo")] {
        let mut mappings = template.mappings.iter();
        assert!(
            mappings.any(|mapping| mapping.function == function && mapping.queue == queue),
            "{function}"
        );
    }
    assert!(
        project
            .read("template.yaml")
            .contains("Queues: [Reservations, StoreItem]")
    );
}

#[test]
fn url_parameters_are_in_one_order_everywhere() {
    let project = Project::copy();
    for name in ["charge-card", "send-ping"] {
        let http = NewFunction {
            http: true,
            ..function(name)
        };
        http.write(&project.0).unwrap();
    }
    let order = |text: &str, what: &str| {
        let names = ["NotificationUrl", "ChargeCardUrl", "SendPingUrl", "Architecture"];
        let at = names.map(|name| text.find(&what.replace("NAME", name)).unwrap());
        assert!(at.is_sorted(), "{at:?}");
    };
    order(&project.read("template.yaml"), "\n  NAME:\n");
    order(&project.read("samconfig.toml"), "\"NAME=");
}

#[test]
fn names_that_can_not_be_are_refused() {
    let project = Project::copy();
    for (name, why) in [
        ("Charge-Card", "lower-case letters and digits"),
        ("charge_card", "lower-case letters and digits"),
        ("charge--card", "single hyphens between words"),
        ("-card", "single hyphens between words"),
        ("charge-", "single hyphens between words"),
        ("1-card", "lower-case letters and digits"),
        ("send-2fa", "each of which begins with a letter"),
        ("../evil", "lower-case letters and digits"),
        ("", "lower-case letters and digits"),
        ("charge", "must be a verb and a noun"),
        ("charge-a-card-of-a-very-long-name", "at most 32 characters"),
        ("setting-error", "uses SettingError for something else"),
        ("proc-macro", "for something else"),
        ("aws-config", "a package of this name is among the dependencies"),
        ("serde-json", "a package of this name is among the dependencies"),
    ] {
        let refusal = project.refusal(&function(name));
        assert!(refusal.contains(why), "{name}: {refusal}");
    }
    let table = NewFunction {
        table: Some("Charges".to_owned()),
        ..function("charge-card")
    };
    let refusal = project.refusal(&table);
    assert!(
        refusal.starts_with("\"Charges\" can't be the name of a table"),
        "{refusal}"
    );
    let short = NewFunction {
        table: Some("ab".to_owned()),
        ..function("charge-card")
    };
    let refusal = project.refusal(&short);
    assert!(refusal.contains("at least 3 characters"), "{refusal}");
}

#[test]
fn names_that_exist_are_refused() {
    let project = Project::copy();
    charge_card().write(&project.0).unwrap();
    assert_eq!(
        project.refusal(&charge_card()),
        "template.yaml already has a function charge-card: choose another name"
    );
    for (taken, why) in [
        (
            "charges",
            "already has a table charges: choose another name, or leave --table out",
        ),
        ("idempotency", "already has a table idempotency"),
    ] {
        let function = NewFunction {
            table: Some(taken.to_owned()),
            ..function("store-item")
        };
        let refusal = project.refusal(&function);
        assert!(refusal.contains(why), "{refusal}");
    }
}

#[test]
fn folder_without_a_function_is_refused() {
    let project = Project::copy();
    for folder in ["functions", "events"] {
        let left = project.0.join(folder).join("charge-card");
        fs::create_dir(&left).unwrap();
        let refusal = project.refusal(&charge_card());
        assert!(
            refusal.starts_with(&format!("{folder}/charge-card exists")),
            "{refusal}"
        );
        fs::remove_dir(left).unwrap();
    }
}

#[test]
fn interrupted_run_is_named_with_the_way_out() {
    let project = Project::copy();
    fs::create_dir(project.0.join(".new-store-item")).unwrap();
    let refusal = project.refusal(&charge_card());
    for part in [
        "a run for store-item was interrupted",
        ".new-store-item/before",
        "functions/store-item",
    ] {
        assert!(refusal.contains(part), "{refusal}");
    }
}

#[test]
fn contradicting_options_are_refused_with_another_mode() {
    let project = Project::copy();
    let one_step = NewFunction {
        mode: NewMode::OneStep,
        ..charge_card()
    };
    assert!(project.refusal(&one_step).ends_with("use --mode claim"));
    let natural = NewFunction {
        mode: NewMode::Natural,
        ..charge_card()
    };
    assert!(project.refusal(&natural).contains("use --mode one-step"));
}

#[test]
fn files_that_can_not_be_edited_are_named() {
    let wrong: [(&str, &str, &str, &str); 5] = [
        (
            "template.yaml",
            "  # Standard queues, each with",
            "  # Queues with",
            "has no line",
        ),
        (
            "template.yaml",
            "Resources:\n",
            "Resource:\n",
            "did you mean Resources?",
        ),
        (
            "template.yaml",
            "    Standard:\n",
            "    Standards:\n",
            "Mappings has no Kinds.Standard",
        ),
        ("samconfig.toml", "version = 0.1", "version = ", "is not valid TOML"),
        (
            "samconfig.toml",
            "parameter_overrides",
            "overrides",
            "has no stage with",
        ),
    ];
    for (file, from, to, why) in wrong {
        let project = Project::copy();
        project.edit(file, from, to);
        let refusal = project.refusal(&charge_card());
        assert!(refusal.contains(file) && refusal.contains(why), "{refusal}");
    }
    let empty = Project::copy();
    fs::remove_file(empty.0.join("template.yaml")).unwrap();
    assert!(
        empty
            .refusal(&charge_card())
            .contains("run the command in the project's folder")
    );
}

#[test]
fn failure_while_moving_leaves_everything_as_it_was() {
    let project = Project::copy();
    // Nothing can be moved there.
    fs::remove_dir(project.0.join("events")).unwrap();
    fs::write(project.0.join("events"), "no folder").unwrap();
    let refusal = project.refusal(&charge_card());
    assert!(refusal.ends_with("can't be written; nothing is changed"), "{refusal}");
}

#[test]
fn lines_whose_tags_do_not_hold_are_left_out() {
    let names = Names::of(&charge_card()).unwrap();
    let text = text::Text::of(&charge_card(), &names);
    let template = "[package]\n[http]a {{name}}\n[!http]b\n[http][!table]c\n\n[fifo]d\n\n[http][table]e {{Handler}}\n";
    assert_eq!(text.fill(template), "[package]\na charge-card\n\ne ChargeCard\n");
}
