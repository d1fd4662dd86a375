//! Errors at the start of the function.

use testing::last_words;

use crate::stack::RESERVE_STOCK;

#[test]
fn missing_table_setting_ends_the_start_with_one_line() {
    let last_line = |settings: &[(&'static str, &'static str)]| {
        let region = ("AWS_REGION", "eu-west-1");
        last_words(RESERVE_STOCK.1, settings.iter().copied().chain([region]))
    };
    let variable = "environment variable STOCK_TABLE";
    assert_eq!(last_line(&[])["message"], format!("{variable} is not set"));
    assert_eq!(
        last_line(&[("STOCK_TABLE", "")])["message"],
        format!("{variable} is empty")
    );
    assert_eq!(
        last_line(&[("STOCK_TABLE", "stock")])["message"],
        "environment variable IDEMPOTENCY_TABLE is not set"
    );
}
