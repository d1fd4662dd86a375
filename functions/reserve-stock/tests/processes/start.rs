//! What the function says when it can't start.

use testing::last_words;

use crate::stage::RESERVE_STOCK;

#[test]
fn a_table_that_is_not_stated_is_one_line_that_names_the_setting() {
    let said = |settings: &[(&'static str, &'static str)]| last_words(RESERVE_STOCK.1, settings.iter().copied());
    let variable = "environment variable STOCK_TABLE";
    assert_eq!(said(&[])["message"], format!("{variable} is not set"));
    assert_eq!(said(&[("STOCK_TABLE", "")])["message"], format!("{variable} is empty"));
    assert_eq!(
        said(&[("STOCK_TABLE", "stock")])["message"],
        "environment variable IDEMPOTENCY_TABLE is not set"
    );
}
