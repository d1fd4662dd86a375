//! A function that checks orders: one whose amount is not the sum of its lines is rejected, any other gets a receipt, which the
//! ledger keeps. A function of your own has this shape.
//!
//! Settings: those of every function (see `shared/host`), and `MODE=one-step`, to compare what the modes cost.

mod order;

use std::process::ExitCode;

use host::{SettingError, optional_setting};

use crate::order::ValidateOrder;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match optional_setting("MODE") {
        Ok(Some(mode)) if mode == "one-step" => lambda::run(|| Ok::<_, SettingError>(ValidateOrder::<true>)).await,
        _ => lambda::run(|| Ok::<_, SettingError>(ValidateOrder::<false>)).await,
    }
}
