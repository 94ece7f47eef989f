//! What a control tells the person who has to act: why it is there, why it is that bad, and how to mend it.
//!
//! In: the annotations of a control. Out: [`Guidance`], for `controls show`, the documents and the reports. Policies of
//! users may leave all of it out; the built-in ones may not, which a test holds.

use serde::Serialize;

/// The words of a control beyond its title and remediation; empty where the control says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Guidance {
    /// What goes wrong without it.
    pub rationale: String,
    /// Why a violation is as bad as the severity says.
    pub severity_reason: String,
    /// Steps in the AWS console.
    pub console: String,
    /// Commands that mend it.
    pub cli: String,
    /// The same as a fragment of a CloudFormation template.
    pub cloudformation: String,
    /// The same as a fragment of Terraform.
    pub terraform: String,
    /// Row of the control catalogue that it answers, e.g. `P1`.
    pub catalogue: String,
}

impl Guidance {
    /// Annotation names in the order of the fields.
    pub const ANNOTATIONS: [&str; 7] =
        ["rationale", "severity_reason", "console", "cli", "cloudformation", "terraform", "catalogue"];

    /// `text` gives an annotation, empty where there is none.
    pub(super) fn of<'a>(text: &dyn Fn(&str) -> &'a str) -> Self {
        let text = |name: &str| text(name).to_owned();
        let [rationale, severity_reason, console, cli, cloudformation, terraform, catalogue] =
            Self::ANNOTATIONS.map(text);
        Self { rationale, severity_reason, console, cli, cloudformation, terraform, catalogue }
    }

    /// Each annotation with its text, in the order of [`Self::ANNOTATIONS`].
    #[must_use]
    pub fn texts(&self) -> [(&'static str, &str); 7] {
        let [rationale, severity_reason, console, cli, cloudformation, terraform, catalogue] = Self::ANNOTATIONS;
        [
            (rationale, self.rationale.as_str()),
            (severity_reason, self.severity_reason.as_str()),
            (console, self.console.as_str()),
            (cli, self.cli.as_str()),
            (cloudformation, self.cloudformation.as_str()),
            (terraform, self.terraform.as_str()),
            (catalogue, self.catalogue.as_str()),
        ]
    }
}
