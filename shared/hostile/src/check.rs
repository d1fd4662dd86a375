//! Checks of a property on variants of seeds.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use fastrand::Rng;

use crate::mutate;

/// What stands for a secret in seeds. No error may quote it.
pub const SECRET: &str = "S3CR3T";

/// The longest variant in tests, in bytes. A fuzzer may use longer ones.
const LONGEST: usize = 64 * 1024;

/// A text as an input.
pub fn input(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// The files in these folders of the repository, and in the folders below, in the order of their names.
///
/// # Panics
///
/// If a folder can't be read or has no file: then the test would check nothing.
#[expect(clippy::panic, reason = "a failed test is what a panic is for")]
pub fn files(folders: &[&str]) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    for folder in folders {
        let before = found.len();
        if let Err(error) = add_files(&root.join(folder), &mut found) {
            panic!("{folder}: {error}");
        }
        assert!(found.len() > before, "{folder} has no file");
    }
    found
}

fn add_files(folder: &Path, found: &mut Vec<Vec<u8>>) -> std::io::Result<()> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths: Vec<PathBuf> = entries.collect::<std::io::Result<_>>()?;
    paths.sort();
    for path in paths {
        match path.is_dir() {
            true => add_files(&path, found)?,
            false => found.push(fs::read(path)?),
        }
    }
    Ok(())
}

/// Checks the property on the seeds, and then on `runs` variants of them. The same in each run.
///
/// # Panics
///
/// If the property does; before that, the input is printed.
pub fn check(seeds: &[Vec<u8>], runs: u64, property: impl Fn(&[u8])) {
    assert!(!seeds.is_empty(), "there is no seed");
    let one = |input: &[u8]| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| property(input))) {
            println!("the property does not hold for this input of {} bytes:", input.len());
            println!("{}", input.escape_ascii());
            resume_unwind(panic);
        }
    };
    seeds.iter().for_each(|seed| one(seed));
    for run in 0..runs {
        let rng = &mut Rng::with_seed(run);
        let seed = rng.choice(seeds).map(Vec::as_slice).unwrap_or_default();
        one(&mutate(seed, rng, LONGEST));
    }
}

/// Whether an error quotes a [`SECRET`] that is in the input as a value, or part of one. Names may be quoted.
pub fn quotes(error: &str, input: &[u8]) -> bool {
    error.contains(SECRET) && !is_in_a_name(input)
}

/// Whether a secret may be part of a name: mutations turn some values into names.
fn is_in_a_name(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let mut after = text.split(SECRET).skip(1);
    after.any(|rest| {
        let end = rest.trim_start_matches(|character| !"\"{}[],\n".contains(character));
        end.trim_start_matches(['\\', '"', ' ']).starts_with(':')
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_property_is_checked_on_seeds_and_variants() {
        let seen = RefCell::new(Vec::new());
        check(&[input("[1]"), input("{}")], 10, |input| {
            seen.borrow_mut().push(input.to_vec())
        });
        let seen = seen.into_inner();
        assert_eq!((seen.len(), &seen[0][..], &seen[1][..]), (12, &b"[1]"[..], &b"{}"[..]));
    }

    #[test]
    #[should_panic = "not null"]
    fn a_property_that_does_not_hold_fails_the_test() {
        check(&[input(r#"{"a": 1}"#)], 1_000, |input| {
            assert!(!input.ends_with(b"null}"), "not null");
        });
    }

    #[test]
    fn a_secret_is_found_where_it_is_a_value() {
        let input = input(r#"{"a": "S3CR3T-1", "S3": 1}"#);
        assert!(quotes("invalid value S3CR3T-1", &input));
        assert!(!quotes("invalid value", &input));
        assert!(!quotes("unknown field S3CR3T", br#"{"S3CR3T": 1}"#));
    }

    #[test]
    fn files_are_those_of_the_repository() {
        assert!(files(&["shared", "tests"]).len() > 20);
    }
}
