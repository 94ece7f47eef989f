//! Addresses of e-mail.
//!
//! In: text of the configuration, or the name of an owner, which anybody with an AWS account may have chosen. Out: an address
//! that Amazon SES takes and that cannot become two, or what is wrong with it. Only ASCII: SES takes nothing else before the
//! `@`, and names behind it are written in Punycode.

/// The longest address: <https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1>
const LONGEST: usize = 254;
const LONGEST_LOCAL: usize = 64;

/// `security@example.com`, perhaps with a name before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::deliver) struct Address {
    /// As it is sent: `pipewarden <audit@example.com>`.
    pub(super) written: String,
    /// Without the name.
    pub(super) bare: String,
    /// In lower case.
    pub(super) domain: String,
}

impl Address {
    /// `security@example.com`
    pub(in crate::deliver) fn bare(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is no e-mail address such as security@example.com, in ASCII", shown(text));
        let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
        let is_local = !local.is_empty()
            && local.len() <= LONGEST_LOCAL
            && local.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".!#$%&'*+-/=?^_`{|}~".contains(&byte))
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..");
        if !is_local || !is_domain(domain) || text.len() > LONGEST {
            return Err(wrong());
        }
        let text = text.to_owned();
        Ok(Self { domain: domain.to_ascii_lowercase(), written: text.clone(), bare: text })
    }

    /// The same, or `Name <security@example.com>`.
    pub(super) fn named(text: &str) -> Result<Self, String> {
        let Some((name, rest)) = text.split_once('<') else { return Self::bare(text.trim()) };
        let address = Self::bare(rest.strip_suffix('>').unwrap_or(rest))?;
        let name = name.trim();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" -_.'".contains(&byte);
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(format!(
                "`{}` is no name before an address: write ASCII letters, digits and blanks",
                shown(name)
            ));
        }
        Ok(Self { written: format!("\"{name}\" <{}>", address.bare), ..address })
    }
}

/// `example.com`
pub(super) fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.contains('.') && text.split('.').all(is_label)
}

fn shown(text: &str) -> String {
    crate::report::visible(text).chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_are_addresses() {
        for right in ["a@b.co", "first.last+tag@mail.example.com", "o'neil@xn--mnchen-3ya.de"] {
            assert_eq!(Address::bare(right).unwrap().bare, right);
        }
        let long = format!("{}@example.com", "a".repeat(65));
        for wrong in [
            "",
            "@",
            "team",
            "a@b",
            "a@b@example.com",
            "a b@example.com",
            "a@example.com,b@example.com",
            "a@example.com\r\nBcc: b@example.com",
            "<a@example.com>",
            "a..b@example.com",
            "ü@example.com",
            "a@münchen.de",
            "a@-example.com",
            "a@example..com",
            "@payments",
            "\"a b\"@example.com",
            &long,
        ] {
            assert!(Address::bare(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_may_stand_before_an_address() {
        let address = Address::named("pipewarden audit <audit@example.com>").unwrap();
        assert_eq!(address.written, "\"pipewarden audit\" <audit@example.com>");
        assert_eq!((address.bare.as_str(), address.domain.as_str()), ("audit@example.com", "example.com"));
        assert_eq!(Address::named("audit@Example.com").unwrap().domain, "example.com");
        for wrong in ["ü <a@example.com>", "<a@example.com>", "a\"b <a@example.com>", "x <a@example.com> y", "x <a@b>"]
        {
            assert!(Address::named(wrong).is_err(), "{wrong}");
        }
    }
}
