//! Pages: AWS's limits and tokens that say nothing to the caller.

use std::ops::Range;

use serde_json::{Value, json};

use super::super::protocol::ApiError;

const MASK: u64 = 0x5a17_b00c_91f3_4d6b;

/// The items of the page that `token` asks for, and the token of the next page.
///
/// `code` is what the service calls a token that it did not give.
pub(super) fn page(
    count: usize,
    token: Option<&str>,
    wanted: Option<usize>,
    limit: usize,
    code: &'static str,
) -> Result<(Range<usize>, Option<String>), ApiError> {
    let start = match token.filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => read(token)
            .filter(|start| *start < count)
            .ok_or_else(|| ApiError::new(400, code, format!("the token `{token}` is not valid")))?,
    };
    let size = wanted.unwrap_or(limit).clamp(1, limit);
    let end = start.saturating_add(size).min(count);
    Ok((start..end, (end < count).then(|| write(end))))
}

/// Adds the token of the next page, if there is one.
pub(super) fn with_token(mut answer: Value, member: &str, next: Option<String>) -> Value {
    if let (Some(next), Some(fields)) = (next, answer.as_object_mut()) {
        fields.insert(member.to_owned(), json!(next));
    }
    answer
}

fn write(start: usize) -> String {
    format!("{:016x}", (start as u64).wrapping_mul(0x1_0001) ^ MASK)
}

fn read(token: &str) -> Option<usize> {
    let number = u64::from_str_radix(token, 16).ok()? ^ MASK;
    (token.len() == 16 && number.is_multiple_of(0x1_0001)).then(|| usize::try_from(number / 0x1_0001).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let (first, token) = page(45, None, None, 20, "X").unwrap();
        assert_eq!(first, 0..20);
        let (second, token) = page(45, token.as_deref(), None, 20, "X").unwrap();
        assert_eq!(second, 20..40);
        let (third, token) = page(45, token.as_deref(), None, 20, "X").unwrap();
        assert_eq!((third, token), (40..45, None));
    }

    #[test]
    fn a_page_is_never_larger_than_the_limit_and_tokens_are_checked() {
        assert_eq!(page(45, None, Some(100), 20, "X").unwrap().0, 0..20);
        assert_eq!(page(45, None, Some(2), 20, "X").unwrap().0, 0..2);
        assert_eq!(page(0, None, None, 20, "X").unwrap(), (0..0, None));
        for wrong in ["20", "zzzz", "0000000000000014"] {
            assert_eq!(
                page(45, Some(wrong), None, 20, "InvalidNextTokenException").unwrap_err().code,
                "InvalidNextTokenException"
            );
        }
    }
}
