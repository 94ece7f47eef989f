//! Links from a number on the overview to the findings behind it.
//!
//! In: filters. Out: the hash that the findings table reads, `#findings?severity=CRITICAL&change=New`. Keys and values are
//! those of the table; a value that is more than letters and digits is percent-encoded, so that a name can be no markup
//! and no other filter.

use std::fmt::Write as _;

use crate::finding::{Change, Severity};
use crate::inventory::AccountId;

/// Filters of the findings table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter(String);

impl Filter {
    /// Violations that no exception covers.
    pub(super) fn open() -> Self {
        Self::default().with("result", "NonCompliant").with("excepted", "no")
    }

    /// Results that nobody knows.
    pub(super) fn unknown() -> Self {
        Self::default().with("result", "InsufficientData")
    }

    /// Violations with this change since the run before, those under an exception included; what is resolved or not seen
    /// any more is no violation of this run.
    pub(super) fn change(change: Change) -> Self {
        let filter = Self::default().with("change", change.as_str());
        match change {
            Change::New | Change::Worsened | Change::Improved | Change::Unchanged => {
                filter.with("result", "NonCompliant")
            }
            Change::Resolved => filter,
            // What was good, and cannot be seen now, has that change too.
            Change::NotSeen => filter.with("known", "NonCompliant"),
        }
    }

    pub(super) fn severity(self, severity: Severity) -> Self {
        self.with("severity", severity.as_str())
    }

    pub(super) fn account(self, account: &AccountId) -> Self {
        self.with("account", account.as_str())
    }

    pub(super) fn control(self, control: &str) -> Self {
        self.with("control", control)
    }

    pub(super) fn unit(self, path: &str) -> Self {
        self.with("ou", path)
    }

    pub(super) fn service(self, service: &str) -> Self {
        self.with("service", service)
    }

    pub(super) fn owner(self, owner: &str) -> Self {
        self.with("owner", owner)
    }

    pub(super) fn framework(self, framework: &str) -> Self {
        self.with("framework", framework)
    }

    /// One finding with its details.
    pub(super) fn finding(id: &str) -> Self {
        Self::default().with("finding", id)
    }

    /// Violations of these controls that an exception covers.
    pub(super) fn excepted<'a>(controls: impl IntoIterator<Item = &'a str>) -> Self {
        let mut filter = Self::default().with("result", "NonCompliant").with("excepted", "yes");
        for (place, control) in controls.into_iter().enumerate() {
            if place == 0 {
                filter = filter.with("control", control);
            } else {
                filter.0.push(',');
                filter.push_encoded(control);
            }
        }
        filter
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(key);
        self.0.push('=');
        self.push_encoded(value);
        self
    }

    fn push_encoded(&mut self, value: &str) {
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                self.0.push(char::from(byte));
            } else {
                // Writing into a `String` cannot fail.
                let _ = write!(self.0, "%{byte:02X}");
            }
        }
    }

    /// The value of `href`, in which nothing needs to be escaped but the `&` between filters.
    pub(super) fn href(&self) -> String {
        format!("#findings?{}", self.0.replace('&', "&amp;"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_no_violation_is_not_behind_the_violations_that_were_not_seen() {
        assert_eq!(Filter::change(Change::NotSeen).href(), "#findings?change=NotSeen&amp;known=NonCompliant");
        assert_eq!(Filter::change(Change::Resolved).href(), "#findings?change=Resolved");
    }

    #[test]
    fn names_cannot_leave_their_filter() {
        let href = Filter::open().owner("a&b=c\"><script>é").severity(Severity::High).href();
        assert_eq!(
            href,
            "#findings?result=NonCompliant&amp;excepted=no&amp;owner=a%26b%3Dc%22%3E%3Cscript%3E%C3%A9&amp;severity=HIGH"
        );
    }
}
