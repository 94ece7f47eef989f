//! What a YAML scalar without quotes means.
//!
//! In: its text. Out: null, a flag, a number or text, by the rules of YAML 1.1 that `CloudFormation` follows.
//! Dates, times of day and numbers with a leading zero stay text, because account ids and versions are none of them.

use serde_json::Number;

use super::node::Tree;

/// A scalar without quotes.
pub(super) fn plain(text: String) -> Tree {
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => Tree::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Tree::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Tree::Bool(false),
        _ => match number(&text) {
            Some(number) => Tree::Number(number),
            None => Tree::String(text),
        },
    }
}

fn number(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let negative = text.starts_with('-');
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    if let Some(digits) = unsigned.strip_prefix("0x") {
        return radix(digits, 16, negative);
    }
    if let Some(digits) = unsigned.strip_prefix("0b") {
        return radix(digits, 2, negative);
    }
    if unsigned.len() > 1 && unsigned.starts_with('0') && !unsigned.starts_with("0.") {
        return None;
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
        return radix(unsigned, 10, negative);
    }
    decimal(unsigned).then(|| text.replace('_', "").parse::<f64>().ok()).flatten().and_then(Number::from_f64)
}

fn radix(digits: &str, radix: u32, negative: bool) -> Option<Number> {
    let digits = digits.replace('_', "");
    let signed = if negative { format!("-{digits}") } else { digits };
    i64::from_str_radix(&signed, radix).ok().map(Number::from)
}

/// `1.`, `.5`, `1.5`, `1.5e+3`: a point must be there, and an exponent has a sign, so that `123e4567` of a commit is none.
fn decimal(unsigned: &str) -> bool {
    let Some((whole, rest)) = unsigned.split_once('.') else { return false };
    let (fraction, exponent) = match rest.split_once(['e', 'E']) {
        Some((fraction, exponent)) => (fraction, exponent.strip_prefix(['-', '+'])),
        None => (rest, Some("0")),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let some = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent.is_some_and(some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inventory::Span;
    use crate::template::Node;

    #[test]
    fn scalars_mean_what_they_mean_to_yaml_1_1() {
        for (text, value) in [
            ("12", json!(12)),
            ("-12", json!(-12)),
            ("+12", json!(12)),
            ("1_000", json!(1000)),
            ("0x1F", json!(31)),
            ("0b101", json!(5)),
            ("0", json!(0)),
            ("0.5", json!(0.5)),
            (".5", json!(0.5)),
            ("1.", json!(1.0)),
            ("1.5e+3", json!(1500.0)),
            ("Yes", json!(true)),
            ("off", json!(false)),
            ("~", json!(null)),
            ("", json!(null)),
            // All of these are names, versions or ids to the people who write them.
            ("012345678901", json!("012345678901")),
            ("2010-09-09", json!("2010-09-09")),
            ("22:22", json!("22:22")),
            ("1e3", json!("1e3")),
            ("123e4567", json!("123e4567")),
            ("1.5e3", json!("1.5e3")),
            ("1.2.3", json!("1.2.3")),
            ("99999999999999999999", json!("99999999999999999999")),
            (".", json!(".")),
            ("-", json!("-")),
            (".inf", json!(".inf")),
            ("0x", json!("0x")),
            ("y", json!("y")),
        ] {
            assert_eq!(Node::new(plain(text.to_owned()), Span::default()).to_value(), value, "{text}");
        }
    }
}
