//! Secrets out of what AWS answers or a template says, before it becomes a property.
//!
//! In: configuration values, environment variables, URLs. Out: the same with a fixed word in place of whatever could
//! be a secret. Free text is judged strictly: where a part of a value looks like a secret, the whole value goes. It
//! stands here because what is deployed and what is declared must lose the same.

use serde_json::{Map, Value};

use super::redaction::{REDACTED, REDACTED_SECRET, Redaction, is_redacted, looks_secret};
use super::secret_form::{assigns_secret, has_secret_form, holds_password};
use super::{GapCause, Inventory, Resource};

/// Properties in which people write what they like.
const FREE_TEXT: &[&str] = &["Description", "Comment", "Comments", "CustomData", "AlarmDescription", "DisplayName"];

/// Types of environment variables whose value says where the secret is, not what it is.
const REFERENCE_TYPES: &[&str] = &["SECRETS_MANAGER", "PARAMETER_STORE"];

/// The value of an environment variable, without a fingerprint. A missing type means plaintext.
#[must_use]
pub fn variable_value(name: &str, type_name: Option<&str>, value: &str) -> String {
    Redaction::default().variable_value(name, type_name, value)
}

/// One value of an action's or a rule's configuration, without fingerprints.
#[must_use]
pub fn configuration_value(name: &str, value: &str) -> String {
    Redaction::default().configuration_value(name, value)
}

/// The address of a source, without user name and password, and without a query, which may carry a token.
#[must_use]
pub fn source_location(url: &str) -> String {
    let bare = without_userinfo(url);
    bare.split(['?', '#']).next().unwrap_or(&bare).to_owned()
}

/// What stood before the host of a URL: a `name` alone, or one with a `password`.
#[must_use]
pub fn user_info(url: &str) -> Option<&'static str> {
    Some(if userinfo(url)?.contains(':') { "password" } else { "name" })
}

/// What stands before the host of a URL, without the `@`.
pub(super) fn userinfo(url: &str) -> Option<&str> {
    let clean = without_userinfo(url);
    let removed = url.split_once("://")?.1.strip_suffix(clean.split_once("://")?.1)?;
    let removed = removed.strip_suffix('@').unwrap_or(removed);
    (!removed.is_empty()).then_some(removed)
}

/// Whether a build specification is given as text. What is neither one line nor free of YAML's and JSON's marks is
/// taken for text, so that a script never passes for a path. An ARN is one word.
#[must_use]
pub fn is_inline_buildspec(buildspec: &str) -> bool {
    let text = buildspec.trim();
    if text.starts_with("arn:") { text.contains(char::is_whitespace) } else { text.contains(['\n', ':', '{']) }
}

/// A URL without user name and password.
fn without_userinfo(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        // `user:password@host/path`; in `git@host:path` the colon comes later.
        let host = url.split('/').next().unwrap_or(url);
        let userinfo = host.rfind('@').filter(|at| host.get(..*at).is_some_and(|user| user.contains(':')));
        return userinfo.and_then(|at| url.get(at + 1..)).unwrap_or(url).to_owned();
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    // A password may hold an unescaped slash; then what looks like a port is no number.
    let odd_port = authority.split_once(':').is_some_and(|(_, port)| !port.bytes().all(|byte| byte.is_ascii_digit()));
    let userinfo = if odd_port { rest } else { authority };
    let start = userinfo.rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", rest.get(start..).unwrap_or_default())
}

impl Redaction {
    /// The value of an environment variable. A missing type means plaintext.
    #[must_use]
    pub fn variable_value(&self, name: &str, type_name: Option<&str>, value: &str) -> String {
        if type_name.is_some_and(|word| REFERENCE_TYPES.contains(&word)) && !has_secret_form(value) {
            value.to_owned()
        } else {
            self.redact(name, value)
        }
    }

    /// One value of an action's or a rule's configuration.
    #[must_use]
    pub fn configuration_value(&self, name: &str, value: &str) -> String {
        match name {
            "EnvironmentVariables" => self.variables_in_json(value).unwrap_or_else(|| self.replace(REDACTED, value)),
            // AWS masks a stored token with asterisks; that there is one is what a control judges.
            "OAuthToken" => self.redact(name, value),
            _ => self.free_value(name, value),
        }
    }

    /// An inventory as it may be kept: its resources, and the words of services in its gaps.
    pub fn clean_inventory(&self, inventory: &mut Inventory) {
        inventory.resources.iter_mut().for_each(|resource| self.clean(resource));
        inventory.gaps.iter_mut().for_each(|gap| self.clean_cause(&mut gap.cause));
    }

    /// A resource as it may be kept: tags and texts that hold what has the form of a secret lose it. Collectors take
    /// secrets out where AWS puts them; this is for the places where people do.
    pub fn clean(&self, resource: &mut Resource) {
        for (key, value) in &mut resource.tags {
            let by_form = has_secret_form(value) || assigns_secret(value) || holds_password(value);
            if looks_secret(key, value) || by_form {
                *value = self.replace(REDACTED_SECRET, value);
            }
        }
        for (name, value) in &mut resource.properties {
            self.clean_value(name, value);
        }
        resource.unseen.values_mut().for_each(|gap| self.clean_cause(&mut gap.cause));
    }

    /// A message keeps the words around a token, because they say what went wrong. It is judged by form alone: what it
    /// assigns is the name of something more often than a secret.
    fn clean_cause(&self, cause: &mut GapCause) {
        for text in cause.texts_mut() {
            if !has_secret_form(text) && !holds_password(text) {
                continue;
            }
            let words: Vec<String> = text.split(' ').map(|word| self.clean_word(word)).collect();
            *text = words.join(" ");
            // What is longer than a word: a key of several lines.
            if has_secret_form(text) {
                *text = self.replace(REDACTED_SECRET, text);
            }
        }
    }

    fn clean_word(&self, word: &str) -> String {
        let is_key = word.contains("-----BEGIN");
        if !is_key && (has_secret_form(word) || holds_password(word)) {
            self.replace(REDACTED_SECRET, word)
        } else {
            word.to_owned()
        }
    }

    fn clean_value(&self, name: &str, value: &mut Value) {
        match value {
            Value::String(text) => {
                // An ordinary property may well be named after a secret that it points to; only free text is read as such.
                let assigned = FREE_TEXT.contains(&name) && assigns_secret(text);
                if !is_redacted(text) && (assigned || has_secret_form(text) || holds_password(text)) {
                    *text = self.replace(REDACTED_SECRET, text);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean_value(name, item)),
            Value::Object(members) => members.iter_mut().for_each(|(key, member)| self.clean_value(key, member)),
            _ => {}
        }
    }

    /// The JSON list of variables in a `CodeBuild` action's configuration, rebuilt from the three fields that AWS knows.
    fn variables_in_json(&self, text: &str) -> Option<String> {
        let variables: Vec<Map<String, Value>> = serde_json::from_str(text).ok()?;
        let rebuilt: Vec<Value> = variables
            .iter()
            .map(|variable| {
                let word = |key: &str| variable.get(key).and_then(Value::as_str);
                let name = word("name").unwrap_or_default();
                let value = variable.get("value").map(|value| match value {
                    Value::String(text) => self.variable_value(name, word("type"), text),
                    other => self.redact(name, &other.to_string()),
                });
                let type_name = word("type").map(str::to_owned);
                let fields = [("name", Some(name.to_owned())), ("type", type_name), ("value", value)];
                fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), Value::from(value?)))).collect()
            })
            .collect();
        serde_json::to_string(&rebuilt).ok()
    }

    fn free_value(&self, name: &str, value: &str) -> String {
        if looks_secret(name, value) {
            return self.replace(REDACTED_SECRET, value);
        }
        match serde_json::from_str::<Value>(value) {
            Ok(mut json @ (Value::Object(_) | Value::Array(_))) => {
                self.redact_json(name, &mut json);
                json.to_string()
            }
            _ => self.free_text(value),
        }
    }

    fn free_text(&self, text: &str) -> String {
        if has_secret_form(text) || assigns_secret(text) {
            return self.replace(REDACTED_SECRET, text);
        }
        let one_url = text.matches("://").count() == 1 && !text.contains(char::is_whitespace);
        if one_url {
            without_userinfo(text)
        } else if text.contains("://") && text.contains('@') {
            // Where one URL ends and the next begins cannot be told apart safely.
            self.replace(REDACTED, text)
        } else {
            text.to_owned()
        }
    }

    fn redact_json(&self, name: &str, json: &mut Value) {
        match json {
            Value::String(text) => *text = self.free_value(name, text),
            Value::Array(items) => {
                for item in items {
                    self.redact_json(name, item);
                }
            }
            Value::Object(members) => {
                for (key, member) in members {
                    self.redact_json(key, member);
                }
            }
            number if looks_secret(name, &number.to_string()) => {
                *number = Value::from(self.replace(REDACTED_SECRET, &number.to_string()));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Affects, Gap, TypeName};

    const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

    #[test]
    fn variables_of_a_codebuild_action_lose_their_values() {
        let text = format!(
            r#"[{{"name":"STAGE","value":"prod","type":"PLAINTEXT","note":"{KEY}"}},{{"name":"DB_PASSWORD","value":"hunter2"}},
               {{"name":"TOKEN","value":"/ci/token","type":"PARAMETER_STORE"}},{{"name":"N","value":7}}]"#
        );
        assert_eq!(
            configuration_value("EnvironmentVariables", &text),
            r#"[{"name":"STAGE","type":"PLAINTEXT","value":"redacted"},{"name":"DB_PASSWORD","value":"redacted:secret-like"},{"name":"TOKEN","type":"PARAMETER_STORE","value":"/ci/token"},{"name":"N","value":"redacted"}]"#
        );
        assert_eq!(configuration_value("EnvironmentVariables", "hunter2"), REDACTED);
        assert_eq!(configuration_value("EnvironmentVariables", "{}"), REDACTED);
    }

    #[test]
    fn texts_of_people_lose_what_has_the_form_of_a_secret() {
        let account = "111122223333".parse().unwrap();
        let region = "eu-west-1".parse().unwrap();
        let mut resource = Resource::live(TypeName::KEY, "arn:aws:kms:x".to_owned(), account, region);
        resource.tags =
            [("note", format!("use {KEY}")), ("password", "hunter2".to_owned()), ("team", "web".to_owned())]
                .map(|(key, value)| (key.to_owned(), value))
                .into();
        let Value::Object(properties) = serde_json::json!({
            "Description": "ask for token=hunter2 in the chat",
            "KeyPolicy": {"Statement": [{"Action": "secretsmanager:GetSecretValue", "Sid": KEY}]},
            "Secret": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db"
        }) else {
            unreachable!()
        };
        resource.properties = properties;
        Redaction::with_key(b"0123456789abcdef").unwrap().clean(&mut resource);
        let text = serde_json::to_string(&resource).unwrap();
        assert!(!text.contains("hunter2") && !text.contains(KEY), "{text}");
        for kept in ["\"web\"", "secretsmanager:GetSecretValue", "secret:db\""] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
        let once = resource.clone();
        Redaction::default().clean(&mut resource);
        assert_eq!(resource, once);
    }

    #[test]
    fn messages_of_services_lose_tokens_and_keep_the_rest() {
        let gap = |message: String| Gap {
            account: "111122223333".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            service: "codepipeline".to_owned(),
            action: "codepipeline:GetPipeline".to_owned(),
            cause: GapCause::Service { code: "X".to_owned(), message },
            affects: Affects::Details,
        };
        let refused = "User: arn:aws:iam::111122223333:user/x may not secretsmanager:GetSecretValue on \
                       arn:aws:secretsmanager:eu-west-1:111122223333:secret:name";
        let messages = [
            refused.to_owned(),
            format!("the key {KEY} is unknown"),
            "cannot reach https://me:hunter2@example.com/x today".to_owned(),
            "-----BEGIN RSA PRIVATE KEY-----\nhunter2".to_owned(),
        ];
        let mut resource = Resource::live(
            TypeName::KEY,
            "arn:aws:kms:x".to_owned(),
            "111122223333".parse().unwrap(),
            "eu-west-1".parse().unwrap(),
        );
        resource.unseen.insert("*".to_owned(), gap(messages[1].clone()));
        let gaps = messages.into_iter().map(gap).collect();
        let mut inventory = Inventory { gaps, resources: vec![resource], ..Inventory::default() };
        Redaction::default().clean_inventory(&mut inventory);
        let words = |gap: &Gap| match &gap.cause {
            GapCause::Service { message, .. } => message.clone(),
            other => panic!("{other:?}"),
        };
        let kept: Vec<String> = inventory.gaps.iter().map(words).collect();
        let unknown = "the key redacted:secret-like is unknown";
        assert_eq!(kept, [refused, unknown, "cannot reach redacted:secret-like today", REDACTED_SECRET]);
        assert_eq!(words(&inventory.resources[0].unseen["*"]), unknown);
    }

    #[test]
    fn names_that_facts_join_on_are_kept() {
        for name in ["ASIA-PACIFIC-payments", "AKIA-web", "compass-deploy"] {
            assert_eq!(configuration_value("ProjectName", name), name);
        }
    }

    #[test]
    fn a_secret_behind_a_reference_type_is_no_reference() {
        assert_eq!(variable_value("X", Some("SECRETS_MANAGER"), KEY), REDACTED_SECRET);
        assert_eq!(variable_value("X", Some("secrets_manager"), "name"), REDACTED);
        assert_eq!(variable_value("X", Some("SECRETS_MANAGER"), "my-secret:password"), "my-secret:password");
    }

    #[test]
    fn free_configuration_values_keep_what_is_harmless() {
        for (name, value) in [
            ("ProjectName", "web-deploy"),
            ("BranchName", "main"),
            ("TemplatePath", "build::template.yaml"),
            ("ConnectionArn", "arn:aws:codestar-connections:eu-west-1:123456789012:connection/x"),
            ("UserParameters", r#"{"environment":"prod","weight":5}"#),
            ("ExternalEntityLink", "https://example.com/change?id=5"),
        ] {
            assert_eq!(configuration_value(name, value), value, "{name}");
        }
    }

    #[test]
    fn free_configuration_values_lose_secrets() {
        for (name, value) in [
            ("OAuthToken", "****"),
            ("WebhookSecret", "x"),
            ("UserParameters", "deploy --key AKIAIOSFODNN7EXAMPLE"),
            ("UserParameters", "env=prod,password=hunter2"),
            ("CustomData", "-----BEGIN RSA PRIVATE KEY-----"),
            ("CustomData", "DB password: hunter2"),
            ("UserParameters", "deploy --password hunter2"),
            ("UserParameters", "password = hunter2"),
            ("ExternalEntityLink", "https://hooks.slack.com/services/T0/B0/abc"),
        ] {
            assert_eq!(configuration_value(name, value), REDACTED_SECRET, "{name} {value}");
        }
        assert_eq!(
            configuration_value("ParameterOverrides", r#"{"DbPassword":"hunter2","Pin":{"Token":5},"Size":"small"}"#),
            r#"{"DbPassword":"redacted:secret-like","Pin":{"Token":"redacted:secret-like"},"Size":"small"}"#
        );
        assert_eq!(configuration_value("ProjectUrl", "https://me:pw@ci.example/x"), "https://ci.example/x");
    }

    #[test]
    fn urls_lose_their_userinfo() {
        assert_eq!(without_userinfo("https://user:pa@ss@github.com/o/r.git"), "https://github.com/o/r.git");
        assert_eq!(without_userinfo("https://github.com/o/r@v1"), "https://github.com/o/r@v1");
        assert_eq!(without_userinfo("git@github.com:o/r.git"), "git@github.com:o/r.git");
        assert_eq!(without_userinfo("https://tok@host"), "https://host");
        assert_eq!(without_userinfo("https://user:pa/ss@host:8443/x"), "https://host:8443/x");
        assert_eq!(without_userinfo("https://host:8443/x@y"), "https://host:8443/x@y");
        assert_eq!(source_location("https://host/x.git?private_token=t"), "https://host/x.git");
        assert_eq!(source_location("https://user:p?w@host/x#y"), "https://host/x");
        assert_eq!(without_userinfo("user:pass@host/x"), "host/x");
        assert_eq!(configuration_value("X", "see https://a:b@c and https://d:e@f"), REDACTED);
    }

    #[test]
    fn user_information_is_told_and_not_kept() {
        for url in ["https://me:pw@github.com/o/r", "https://me:pw@github.com/o/r?token=t", "https://me:p?w@host/x#y"] {
            assert_eq!(user_info(url), Some("password"), "{url}");
        }
        assert_eq!(user_info("https://token@github.com/o/r"), Some("name"));
        for url in ["https://github.com/o/r@v1", "git@github.com:o/r.git", "bucket/source.zip", ""] {
            assert_eq!(user_info(url), None, "{url}");
        }
    }

    #[test]
    fn no_script_passes_for_a_path() {
        assert!(is_inline_buildspec("version: 0.2") && is_inline_buildspec("{\"version\":0.2}"));
        assert!(is_inline_buildspec("arn:aws:s3:::specs/build.yml\nversion: 0.2"));
        assert!(is_inline_buildspec("arn: x; curl https://example.com"));
        assert!(!is_inline_buildspec("ci/buildspec.yml") && !is_inline_buildspec("arn:aws:s3:::specs/build.yml"));
    }
}
