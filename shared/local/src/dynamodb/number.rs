//! Numbers: 38 significant digits, exact, compared by value.
//!
//! Limits: [Data types](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html#HowItWorks.DataTypes.Number).

use std::fmt;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, Sign};

use super::error::validation;
use crate::ApiError;

const MAX_DIGITS: u64 = 38;
/// Exponent of the leading digit: numbers reach from 1E-130 to 9.99…E+125.
const MAX_EXPONENT: i64 = 125;
const MIN_EXPONENT: i64 = -130;

const OVERFLOW: &str = "Number overflow. Attempting to store a number with magnitude larger than supported range";
const UNDERFLOW: &str = "Number underflow. Attempting to store a number with magnitude smaller than supported range";

/// A number within DynamoDB's range, always normalised, so that `1` and `1.0` are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(BigDecimal);

impl Number {
    /// Reads what a client wrote: `-17.4E37`, `.5`, `007`.
    ///
    /// Digits are counted as text, before anything is computed: an exponent of a billion costs nothing.
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        let written = Written::read(text).ok_or_else(|| not_a_number(text))?;
        let digits = format!("{}{}", written.whole, written.fraction);
        let significant = digits.trim_start_matches('0').trim_end_matches('0');
        if significant.is_empty() {
            return Ok(Self(BigDecimal::from(0)));
        }
        let leading_zeros = length(&digits) - length(digits.trim_start_matches('0'));
        let exponent = length(written.whole)
            .saturating_sub(1 + leading_zeros)
            .saturating_add(written.exponent);
        check_exponent(exponent)?;
        if significant.len() as u64 > MAX_DIGITS {
            return Err(validation(
                "Attempting to store more than 38 significant digits in a Number",
            ));
        }
        let scale = length(significant) - 1 - exponent;
        let magnitude = significant
            .bytes()
            .fold(0u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
        let magnitude = BigDecimal::new(BigInt::from(magnitude), scale);
        Ok(Self(if written.negative { -magnitude } else { magnitude }))
    }

    pub(super) fn plus(&self, other: &Self) -> Result<Self, ApiError> {
        Self::checked(&self.0 + &other.0)
    }

    pub(super) fn minus(&self, other: &Self) -> Result<Self, ApiError> {
        Self::checked(&self.0 - &other.0)
    }

    pub(super) fn count(count: usize) -> Self {
        Self(BigDecimal::from(count as u64).normalized())
    }

    /// Bytes it takes in an item: a length byte, one byte for two decimal digits, one for a minus sign.
    ///
    /// Digits are paired from the decimal point, so an even number of them may straddle one pair more.
    pub(super) fn size(&self) -> usize {
        if self.is_zero() {
            return 1;
        }
        let digits = self.0.digits();
        let straddles = digits.is_multiple_of(2) && self.exponent() % 2 == 0;
        let bytes = 1 + digits.div_ceil(2) + u64::from(straddles) + u64::from(self.0.sign() == Sign::Minus);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    fn checked(result: BigDecimal) -> Result<Self, ApiError> {
        let result = Self(result.normalized());
        if !result.is_zero() {
            check_exponent(result.exponent())?;
        }
        // DynamoDB reports a sum that needs too many digits as an overflow, too.
        if result.0.digits() > MAX_DIGITS {
            Err(validation(OVERFLOW))
        } else {
            Ok(result)
        }
    }

    fn is_zero(&self) -> bool {
        self.0.sign() == Sign::NoSign
    }

    /// The exponent of the leading digit: 2 for 345.
    fn exponent(&self) -> i64 {
        i64::try_from(self.0.digits()).unwrap_or(i64::MAX) - 1 - self.0.fractional_digit_count()
    }
}

impl fmt::Display for Number {
    /// Plainly, as DynamoDB answers: all digits, no exponent, no trailing zeros behind the point.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.to_plain_string())
    }
}

/// A number taken apart, its digits still text.
struct Written<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i64,
}

impl<'a> Written<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = [whole, fraction]
            .iter()
            .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        let some_digit = !(whole.is_empty() && fraction.is_empty());
        (all_digits && some_digit).then_some(Self {
            negative: text.starts_with('-'),
            whole,
            fraction,
            exponent,
        })
    }
}

/// An exponent too long for 64 bits is as good as the largest.
fn read_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.parse().unwrap_or(i64::MAX);
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

fn check_exponent(exponent: i64) -> Result<(), ApiError> {
    match exponent {
        _ if exponent > MAX_EXPONENT => Err(validation(OVERFLOW)),
        _ if exponent < MIN_EXPONENT => Err(validation(UNDERFLOW)),
        _ => Ok(()),
    }
}

fn not_a_number(text: &str) -> ApiError {
    let shown = if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    };
    validation(format!("The parameter cannot be converted to a numeric value{shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    fn refusal(text: &str) -> String {
        Number::parse(text).unwrap_err().message
    }

    #[test]
    fn the_same_value_is_the_same_number_however_it_is_written() {
        for text in ["1", "1.0", "+1", "001", "1.000", "10e-1", "0.1E1", "1.", ".1e+1"] {
            assert_eq!(number(text), number("1"), "{text}");
            assert_eq!(number(text).to_string(), "1", "{text}");
        }
        for text in ["0", "-0", "0.000", "0e1000", "0e99999999999999999999"] {
            assert_eq!(number(text).to_string(), "0", "{text}");
        }
    }

    #[test]
    fn a_number_is_answered_plainly() {
        assert_eq!(number("1e3").to_string(), "1000");
        assert_eq!(number("-17.4E3").to_string(), "-17400");
        assert_eq!(number("12.50e-3").to_string(), "0.0125");
        assert_eq!(number("1e125").to_string(), format!("1{}", "0".repeat(125)));
        assert_eq!(number("1e-130").to_string(), format!("0.{}1", "0".repeat(129)));
    }

    #[test]
    fn thirty_eight_digits_are_kept_exactly_and_thirty_nine_are_refused() {
        let digits = "31415926535897932384626433832795028841";
        assert_eq!(number(digits).to_string(), digits);
        assert_eq!(
            number("99999999999999999999999999999999999999e88").to_string().len(),
            126
        );
        assert!(number("31415926535897932384626433832795028842") > number(digits));
        assert!(refusal("314159265358979323846264338327950288419").contains("38 significant digits"));
    }

    #[test]
    fn the_range_ends_where_dynamodb_says() {
        for text in ["9.99e125", "-9.99e125", "1e-130", "-1e-130"] {
            number(text);
        }
        for text in ["1e126", "-1e126", "11e125", "1e100000000", "1e99999999999999999999"] {
            assert!(refusal(text).starts_with("Number overflow"), "{text}");
        }
        for text in ["1e-131", "0.9e-130", "-1e-9999999999999999999"] {
            assert!(refusal(text).starts_with("Number underflow"), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "NaN",
            "Infinity",
            "-Infinity",
            "dog",
            "-dog",
            " 1",
            "1 ",
            "1_000",
            "e5",
            ".",
            "1e",
            "1e+",
            "--1",
            "0x1",
        ] {
            assert!(refusal(text).ends_with(&format!("numeric value: {text}")), "{text}");
        }
        assert_eq!(refusal(""), "The parameter cannot be converted to a numeric value");
    }

    #[test]
    fn sums_are_exact_where_floats_are_not() {
        assert_eq!(number("0.1").plus(&number("0.2")).unwrap(), number("0.3"));
        assert_eq!(
            number("1").plus(&number("1e22")).unwrap().to_string(),
            "10000000000000000000001"
        );
        assert_eq!(
            number("1e22").minus(&number("1")).unwrap().to_string(),
            "9999999999999999999999"
        );
        assert_eq!(number("1.5").minus(&number("1.5")).unwrap().to_string(), "0");
    }

    #[test]
    fn a_sum_outside_range_or_precision_is_an_overflow() {
        assert!(
            number("9e125")
                .plus(&number("9e125"))
                .unwrap_err()
                .message
                .starts_with("Number overflow")
        );
        assert!(
            number("1e50")
                .plus(&number("1"))
                .unwrap_err()
                .message
                .starts_with("Number overflow")
        );
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let mut numbers = ["10", "9", "-1", "0.5", "-20", "1e10"].map(number);
        numbers.sort();
        assert_eq!(
            numbers.map(|number| number.to_string()),
            ["-20", "-1", "0.5", "9", "10", "10000000000"]
        );
    }

    #[test]
    fn a_number_takes_a_byte_for_two_digits_and_one_for_itself() {
        for (text, bytes) in [
            ("0", 1),
            ("1", 2),
            ("12", 2),
            ("1.2", 3),
            ("123", 3),
            ("-1", 3),
            ("1e100", 2),
        ] {
            assert_eq!(number(text).size(), bytes, "{text}");
        }
    }
}
