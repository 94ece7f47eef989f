//! `AWS::CodeBuild::SourceCredential`: what the builds of a Region fetch their sources with.
//!
//! In: a credential's kind, never the credential. Out: its facts.

use super::joins::Joins;
use super::seen::text_or;
use super::{Facts, ResourceKind};
use crate::inventory::{Resource, TypeName};

/// Credentials that an account keeps for a source provider.
pub struct SourceCredential;

impl ResourceKind for SourceCredential {
    fn type_name(&self) -> TypeName {
        TypeName::SOURCE_CREDENTIAL
    }

    fn action(&self) -> &'static str {
        "FetchSource"
    }

    fn facts(&self, resource: &Resource, _joins: &Joins) -> Facts {
        let mut facts = Facts::default();
        facts.know("name", resource.uid.short_name());
        facts.put("serverType", text_or(resource, "ServerType", ""));
        facts.put("authType", text_or(resource, "AuthType", ""));
        facts
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Fact;
    use super::super::testing::*;
    use super::*;

    #[test]
    fn a_credential_is_its_kind() {
        let token = json!({"ServerType": "GITHUB", "AuthType": "PERSONAL_ACCESS_TOKEN"});
        let mut token = resource(TypeName::SOURCE_CREDENTIAL, "github", token);
        let facts = SourceCredential.facts(&token, &joins(&[], &[]));
        assert_eq!(facts.known["authType"], Fact::Text("PERSONAL_ACCESS_TOKEN".to_owned()));
        token.unseen.insert("AuthType".to_owned(), denied("codebuild:X"));
        token.properties.clear();
        assert!(SourceCredential.facts(&token, &joins(&[], &[])).unknown.contains_key("authType"));
    }
}
