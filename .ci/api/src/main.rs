//! Prints the public items of crates, whose documentation in JSON the arguments name.

use std::process::ExitCode;

use public_api::Builder;

fn main() -> ExitCode {
    for path in std::env::args().skip(1) {
        let api = Builder::from_rustdoc_json(&path)
            .sorted(true)
            .omit_auto_derived_impls(true)
            .omit_auto_trait_impls(true)
            .omit_blanket_impls(true)
            .build();
        match api {
            Ok(api) => print!("{api}"),
            Err(error) => {
                eprintln!("{path}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
