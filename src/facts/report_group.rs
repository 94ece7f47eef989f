//! `AWS::CodeBuild::ReportGroup`: where test reports go.
//!
//! In: a report group. Out: whether its reports are exported, and protected where they are.

use super::joins::Joins;
use super::seen::{at, flag, name, property, text_at, text_or};
use super::{Facts, ResourceKind};
use crate::inventory::{Resource, TypeName};

/// Groups of test reports.
pub struct ReportGroup;

impl ResourceKind for ReportGroup {
    fn type_name(&self) -> TypeName {
        TypeName::REPORT_GROUP
    }

    fn action(&self) -> &'static str {
        "Report"
    }

    fn facts(&self, resource: &Resource, _joins: &Joins) -> Facts {
        let mut facts = Facts::default();
        facts.know("name", name(resource, "Name"));
        facts.put_tags(resource);
        facts.put("reportType", text_or(resource, "Type", ""));
        let export = property(resource, "ExportConfig");
        let to_s3 = export.clone().map(|export| text_at(export, &["ExportConfigType"]) == "S3");
        facts.put("exportedToS3", to_s3);
        let disabled = |export| at(export, &["S3Destination", "EncryptionDisabled"]).and_then(flag).unwrap_or(false);
        facts.put("exportEncrypted", export.map(|export| !disabled(export)));
        facts
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Fact;
    use super::super::testing::*;
    use super::*;

    #[test]
    fn an_export_is_encrypted_unless_it_is_switched_off() {
        let of = |export: Value| {
            let group = resource(TypeName::REPORT_GROUP, "web-tests", json!({ "ExportConfig": export }));
            let known = ReportGroup.facts(&group, &joins(&[], &[])).known;
            (known["exportedToS3"].clone(), known["exportEncrypted"].clone())
        };
        let is = |exported, encrypted| (Fact::Bool(exported), Fact::Bool(encrypted));
        assert_eq!(of(json!(null)), is(false, true));
        assert_eq!(of(json!({"ExportConfigType": "NO_EXPORT"})), is(false, true));
        assert_eq!(of(json!({"ExportConfigType": "S3", "S3Destination": {"Bucket": "b"}})), is(true, true));
        let open = json!({"ExportConfigType": "S3", "S3Destination": {"Bucket": "b", "EncryptionDisabled": true}});
        assert_eq!(of(open), is(true, false));
        let mut hidden = resource(TypeName::REPORT_GROUP, "web-tests", json!({}));
        hidden.unseen.insert("*".to_owned(), denied("codebuild:BatchGetReportGroups"));
        assert!(ReportGroup.facts(&hidden, &joins(&[], &[])).unknown.contains_key("exportEncrypted"));
    }
}
