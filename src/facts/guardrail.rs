//! Guardrails: what the organization's policies keep everyone in an account from doing.
//!
//! In: service and resource control policies with their content, and the path of every account from the root. Out:
//! whether an action is denied in an account, to whom it is not, and in which Regions it is. It exists because the name
//! of a policy says nothing: what counts is the set that an account inherits.
//!
//! A denial anywhere on the path denies. A service control policy has to allow as well, on every level of the path, so a
//! level without a permission denies too. The management account is governed by neither kind.
//!
//! How they are evaluated: <https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html>

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::joins::Joins;
use super::policy_condition::{Narrowing, Reached, narrowing, only_in_regions};
use super::policy_document::{PolicyDocument, Statement};
use super::seen::{Seen, is_set, list_at, name, property, text_at, text_or};
use crate::inventory::{AccountId, Arn, Resource, TypeName};

const SERVICE_CONTROL: &str = "SERVICE_CONTROL_POLICY";
const RESOURCE_CONTROL: &str = "RESOURCE_CONTROL_POLICY";

/// Services of the actions asked about here whose resources resource control policies reach.
const UNDER_RESOURCE_CONTROL: [&str; 2] = ["s3", "kms"];

/// What must stay as it is for a trail to be one.
pub(super) const TRAIL_ACTIONS: &[&str] = &["cloudtrail:DeleteTrail", "cloudtrail:StopLogging"];
/// What must stay as it is for an artifact to stay as it is.
pub(super) const BUCKET_ACTIONS: &[&str] = &["s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning"];
/// What must stay as it is for an artifact to stay readable.
pub(super) const KEY_ACTIONS: &[&str] = &["kms:DisableKey", "kms:ScheduleKeyDeletion"];
/// What must stay as it is for a gate to stay where it is.
pub(super) const PIPELINE_ACTIONS: &[&str] = &["codepipeline:DisableStageTransition", "codepipeline:UpdatePipeline"];

/// All protected actions.
pub(super) fn protected() -> impl Iterator<Item = &'static str> {
    [TRAIL_ACTIONS, BUCKET_ACTIONS, KEY_ACTIONS, PIPELINE_ACTIONS].into_iter().flatten().copied()
}

/// All policies, and where accounts stand.
#[derive(Debug, Default)]
pub(super) struct Guardrails {
    policies: BTreeMap<String, PolicyEntry>,
    accounts: BTreeMap<AccountId, Path>,
}

#[derive(Debug)]
struct PolicyEntry {
    name: String,
    kind: Seen<String>,
    content: Seen<Value>,
    targets: BTreeSet<String>,
    /// Whether a statement denies any of the protected actions, under whatever condition.
    is_about_protection: bool,
}

/// An account's way from the root, and what is attached along it.
#[derive(Debug)]
struct Path {
    partition: String,
    management: Seen<bool>,
    enabled: Seen<BTreeSet<String>>,
    service: Seen<Vec<Attachment>>,
    resource: Seen<Vec<Attachment>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Attachment {
    target: String,
    policy: String,
}

/// Leaves a policy in the joins.
pub(super) fn index_policy(resource: &Resource, joins: &mut Joins) {
    let id = resource.properties.get("Id").and_then(Value::as_str);
    let id = id.unwrap_or_else(|| resource.uid.as_str().rsplit('/').next().unwrap_or_default());
    let content = match property(resource, "Content") {
        Ok(Some(content)) if content.get("Statement").is_some() => Ok(content.clone()),
        Ok(_) => Err(vec![format!("the content of policy {id} is no policy document")]),
        Err(sentences) => Err(sentences),
    };
    let is_about_protection = content.as_ref().is_ok_and(|content| {
        let document = PolicyDocument::new(content);
        document.statements().any(|s| s.denies() && protected().any(|action| s.covers_action(action)))
    });
    let targets = property(resource, "TargetIds").ok().flatten();
    let entry = PolicyEntry {
        name: name(resource, "Name").to_owned(),
        kind: text_or(resource, "Type", ""),
        content,
        targets: list_at(targets, &[]).iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        is_about_protection,
    };
    joins.guardrails.policies.insert(id.to_owned(), entry);
}

/// Leaves an account's way from the root in the joins.
pub(super) fn index_account(resource: &Resource, joins: &mut Joins) {
    let partition = Arn::parse(resource.uid.as_str()).map_or("aws", |arn| arn.partition).to_owned();
    let path = Path {
        partition,
        management: is_set(resource, "ManagementAccount"),
        enabled: enabled(resource),
        service: attachments(resource, "ServiceControlPolicies"),
        resource: attachments(resource, "ResourceControlPolicies"),
    };
    joins.guardrails.accounts.insert(resource.account.clone(), path);
}

fn enabled(resource: &Resource) -> Seen<BTreeSet<String>> {
    let types = list_at(property(resource, "EnabledPolicyTypes")?, &[]).iter();
    Ok(types.filter_map(Value::as_str).map(str::to_owned).collect())
}

fn attachments(resource: &Resource, name: &str) -> Seen<Vec<Attachment>> {
    let listed = list_at(property(resource, name)?, &[]).iter();
    let of = |entry: &Value, field: &str| text_at(Some(entry), &[field]).to_owned();
    Ok(listed.map(|entry| Attachment { target: of(entry, "TargetId"), policy: of(entry, "Id") }).collect())
}

/// Whether service control policies are enabled on the root.
pub(super) fn service_control_enabled(resource: &Resource) -> Seen<bool> {
    Ok(enabled(resource)?.contains(SERVICE_CONTROL))
}

/// What stands between an account and an action.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rails {
    /// Denied to all but these principals.
    pub(super) denied: Option<BTreeSet<String>>,
    /// Denied outside these Regions; the narrowest of such denials.
    pub(super) regions: Option<BTreeSet<String>>,
    /// Principals that the denial by Region spares.
    pub(super) spared_in_regions: BTreeSet<String>,
    /// Why a denial that is there does not count.
    weak: BTreeSet<String>,
    /// Why there may be more.
    doubts: Vec<String>,
}

impl Rails {
    /// The action with what is wrong with its denials, unless it is denied; or why that cannot be said.
    pub(super) fn unguarded(&self, action: &str) -> Seen<Option<String>> {
        if self.denied.is_some() {
            return Ok(None);
        }
        self.undecided().map(|()| Some(self.explained(action)))
    }

    /// As [`Self::unguarded`], where a denial outside named Regions is enough.
    pub(super) fn unrestricted(&self, action: &str) -> Seen<Option<String>> {
        if self.denied.is_some() || self.regions.is_some() {
            return Ok(None);
        }
        self.undecided().map(|()| Some(self.explained(action)))
    }

    fn undecided(&self) -> Seen<()> {
        if self.doubts.is_empty() { Ok(()) } else { Err(self.doubts.clone()) }
    }

    fn explained(&self, action: &str) -> String {
        if self.weak.is_empty() {
            return action.to_owned();
        }
        format!("{action} ({})", self.weak.iter().map(String::as_str).collect::<Vec<_>>().join("; "))
    }

    fn deny(&mut self, spared: BTreeSet<String>) {
        if self.denied.as_ref().is_none_or(|known| spared.len() < known.len()) {
            self.denied = Some(spared);
        }
    }

    fn hold_to(&mut self, regions: BTreeSet<String>, spared: BTreeSet<String>) {
        if self.regions.as_ref().is_none_or(|known| regions.len() < known.len()) {
            self.regions = Some(regions);
            self.spared_in_regions = spared;
        }
    }
}

/// What is asked: who, what, and of which resource.
struct Question<'a> {
    action: &'a str,
    resource: String,
    account: &'a AccountId,
    organization: Option<&'a str>,
}

/// What stands between an account and an action on a resource; without one, on any resource of the kind.
pub(super) fn rails(account: &AccountId, action: &str, resource: Option<&str>, joins: &Joins) -> Rails {
    let Some(path) = joins.guardrails.accounts.get(account) else {
        let mut doubts = joins.gaps.over(account, None, &TypeName::POLICY);
        if doubts.is_empty() {
            doubts.push(format!("account {account} is not among the accounts that were listed"));
        }
        return Rails { doubts, ..Rails::default() };
    };
    match &path.management {
        Ok(false) => {}
        Ok(true) => {
            let weak = BTreeSet::from(["no policy of the organization governs the management account".to_owned()]);
            return Rails { weak, ..Rails::default() };
        }
        Err(doubts) => return Rails { doubts: doubts.clone(), ..Rails::default() },
    }
    let resource = resource.map_or_else(|| any_resource(action, &path.partition, account), str::to_owned);
    let question = Question { action, resource, account, organization: joins.organization.as_deref() };
    let mut rails = Rails::default();
    if path.may_have(SERVICE_CONTROL) {
        match &path.service {
            Ok(attached) => joins.guardrails.service_control(attached, &question, &mut rails),
            Err(sentences) => rails.doubts.extend_from_slice(sentences),
        }
    }
    let service = action.split(':').next().unwrap_or_default();
    if UNDER_RESOURCE_CONTROL.contains(&service) && path.may_have(RESOURCE_CONTROL) {
        match &path.resource {
            Ok(attached) => {
                for attachment in attached {
                    joins.guardrails.deny_by(&attachment.policy, &question, true, &mut rails);
                }
            }
            Err(sentences) => rails.doubts.extend_from_slice(sentences),
        }
    }
    rails
}

impl Path {
    /// Whether policies of a type can be in force: where it is switched off, whatever is attached says nothing.
    fn may_have(&self, kind: &str) -> bool {
        self.enabled.as_ref().map_or(true, |enabled| enabled.contains(kind))
    }
}

impl Guardrails {
    fn content(&self, policy: &str) -> Seen<(&str, &Value)> {
        let missing = || vec![format!("policy {policy} is attached, but was not read")];
        let entry = self.policies.get(policy).ok_or_else(missing)?;
        Ok((entry.name.as_str(), entry.content.as_ref().map_err(Clone::clone)?))
    }

    fn service_control(&self, attached: &[Attachment], question: &Question<'_>, rails: &mut Rails) {
        let mut levels: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for attachment in attached {
            levels.entry(&attachment.target).or_default().push(&attachment.policy);
            self.deny_by(&attachment.policy, question, false, rails);
        }
        // AWS keeps at least one policy on every level, so a level without any was not seen, and denies nothing here.
        for (target, policies) in levels {
            self.allow_on(target, &policies, question, rails);
        }
    }

    /// What the denying statements of a policy do.
    fn deny_by(&self, policy: &str, question: &Question<'_>, anyone: bool, rails: &mut Rails) {
        let (name, content) = match self.content(policy) {
            Ok(found) => found,
            Err(sentences) => return rails.doubts.extend(sentences),
        };
        let document = PolicyDocument::new(content);
        for statement in document.statements().filter(|s| s.denies() && s.covers_action(question.action)) {
            match denial(statement, question, anyone) {
                Denial::Full { spared } => rails.deny(spared),
                Denial::OutsideRegions { regions, spared } => {
                    rails.weak.insert(format!("{name}: only outside {}", listed(&regions)));
                    rails.hold_to(regions, spared);
                }
                Denial::Weak(why) => {
                    rails.weak.insert(format!("{name}: {why}"));
                }
            }
        }
    }

    /// What the allowing statements of a level leave out.
    fn allow_on(&self, target: &str, policies: &[&str], question: &Question<'_>, rails: &mut Rails) {
        let mut regions = BTreeSet::new();
        let mut allows_anything = false;
        for policy in policies {
            // Denials already left the doubt.
            let Ok((_, content)) = self.content(policy) else { return };
            let document = PolicyDocument::new(content);
            for statement in document.statements().filter(|statement| statement.allows()) {
                allows_anything = true;
                if !statement.covers_action(question.action) {
                    continue;
                }
                match statement.conditions().find_map(|(operator, key, value)| only_in_regions(operator, key, value)) {
                    Some(named) => regions.extend(named),
                    None => return,
                }
            }
        }
        if !allows_anything {
            // Nothing at all could be done there; more likely the policy that allows was not listed.
            rails.doubts.push(format!("no policy that was listed allows anything on {target}, so one may be missing"));
        } else if regions.is_empty() {
            rails.deny(BTreeSet::new());
        } else {
            rails.weak.insert(format!("{target} allows it only in {}", listed(&regions)));
            rails.hold_to(regions, BTreeSet::new());
        }
    }
}

fn listed(values: &BTreeSet<String>) -> String {
    values.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// What a denying statement comes to.
enum Denial {
    Full { spared: BTreeSet<String> },
    OutsideRegions { regions: BTreeSet<String>, spared: BTreeSet<String> },
    Weak(String),
}

fn denial(statement: Statement<'_>, question: &Question<'_>, anyone: bool) -> Denial {
    if !statement.covers_resource(&question.resource) {
        return Denial::Weak("only for some resources".to_owned());
    }
    let reached = Reached { account: question.account, organization: question.organization, anyone };
    let mut spared = BTreeSet::new();
    let mut regions: Option<BTreeSet<String>> = None;
    for (operator, key, value) in statement.conditions() {
        match narrowing(operator, key, value, reached) {
            Narrowing::Nothing => {}
            Narrowing::Spares(named) => spared.extend(named),
            // Every line must hold for the denial to hold, so the Regions of all lines are left open.
            Narrowing::OutsideRegions(named) => regions.get_or_insert_default().extend(named),
            Narrowing::Weakens(why) => return Denial::Weak(why),
        }
    }
    match regions {
        Some(regions) => Denial::OutsideRegions { regions, spared },
        None => Denial::Full { spared },
    }
}

/// A resource of the kind that an action is about, by a name that no policy knows: a statement that speaks of it speaks
/// of all of them.
fn any_resource(action: &str, partition: &str, account: &AccountId) -> String {
    const ANY: &str = "~any~";
    let (service, operation) = action.split_once(':').unwrap_or((action, ""));
    let name = match (service, operation) {
        ("s3", _) => return format!("arn:{partition}:s3:::{ANY}"),
        ("cloudtrail", _) => format!("trail/{ANY}"),
        ("kms", _) => format!("key/{ANY}"),
        (_, "DisableStageTransition") => format!("{ANY}/{ANY}"),
        _ => ANY.to_owned(),
    };
    format!("arn:{partition}:{service}:zz-somewhere-0:{account}:{name}")
}

/// A policy of the organization that would guard some of the protected actions of an account.
pub(super) struct Guard<'a> {
    pub(super) name: &'a str,
    pub(super) actions: BTreeSet<&'static str>,
    /// Where it is attached.
    pub(super) targets: &'a BTreeSet<String>,
}

/// All policies that would guard something in an account if they reached it, attached or not, and why there may be more.
pub(super) fn guards<'a>(account: &AccountId, joins: &'a Joins) -> (Vec<Guard<'a>>, Vec<String>) {
    let rails = &joins.guardrails;
    let Some(path) = rails.accounts.get(account) else { return (Vec::new(), Vec::new()) };
    let mut guards = Vec::new();
    let mut doubts: Vec<String> =
        [&path.service, &path.resource].into_iter().filter_map(|s| s.as_ref().err()).flatten().cloned().collect();
    for (id, entry) in &rails.policies {
        doubts.extend(entry.content.as_ref().err().into_iter().flatten().cloned());
        if !entry.is_about_protection {
            continue;
        }
        let anyone = entry.kind.as_deref() == Ok(RESOURCE_CONTROL);
        let denies = |action: &&'static str| {
            let service = action.split(':').next().unwrap_or_default();
            let resource = any_resource(action, &path.partition, account);
            let question = Question { action, resource, account, organization: joins.organization.as_deref() };
            let mut alone = Rails::default();
            rails.deny_by(id, &question, anyone, &mut alone);
            alone.denied.is_some() && (!anyone || UNDER_RESOURCE_CONTROL.contains(&service))
        };
        let actions: BTreeSet<&'static str> = protected().filter(denies).collect();
        if !actions.is_empty() {
            guards.push(Guard { name: &entry.name, actions, targets: &entry.targets });
        }
    }
    (guards, doubts)
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::*;
    use crate::inventory::{Region, TypeName};

    const ALLOW_ALL: &str = r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

    fn policy(id: &str, kind: &str, content: Value) -> Resource {
        let uid = format!("arn:aws:organizations::999999999999:policy/o-own/{id}");
        let mut policy = Resource::live(TypeName::POLICY, uid, "999999999999".parse().unwrap(), Region::GLOBAL);
        let properties = json!({"Id": id, "Name": format!("name-{id}"), "Type": kind, "Content": content});
        policy.properties = properties.as_object().unwrap().clone();
        policy
    }

    fn scp(id: &str, content: Value) -> Resource {
        policy(id, SERVICE_CONTROL, content)
    }

    fn deny(action: &str, condition: Value) -> Value {
        json!({"Statement": [{"Effect": "Deny", "Action": action, "Resource": "*", "Condition": condition}]})
    }

    /// An account with policies attached as (target, policy), and `FullAWSAccess` on every level.
    fn placed(attached: &[(&str, &str)]) -> Resource {
        let everywhere = ["r-1", "ou-1", "111111111111"].map(|target| (target, "p-full"));
        placed_exactly(&[everywhere.as_slice(), attached].concat())
    }

    fn placed_exactly(attached: &[(&str, &str)]) -> Resource {
        let mut member = member("111111111111", None);
        let list: Vec<Value> =
            attached.iter().map(|(target, id)| json!({"Id": id, "Name": id, "TargetId": target})).collect();
        member.properties.insert("ServiceControlPolicies".to_owned(), json!(list));
        member
    }

    fn asked(account: &Resource, policies: &[Resource], action: &str) -> Rails {
        let full = scp("p-full", serde_json::from_str(ALLOW_ALL).unwrap());
        let all: Vec<Resource> = policies.iter().cloned().chain([full, account.clone()]).collect();
        rails(&account.account, action, None, &joins(&all, &[]))
    }

    const STOP: &str = "cloudtrail:StopLogging";

    fn spared(rails: &Rails) -> Option<Vec<&str>> {
        rails.denied.as_ref().map(|set| set.iter().map(String::as_str).collect())
    }

    #[test]
    fn a_denial_on_any_level_denies() {
        let guard = scp("p-1", deny("cloudtrail:Stop*", json!({})));
        for target in ["r-1", "ou-1", "111111111111"] {
            let rails = asked(&placed(&[(target, "p-1")]), std::slice::from_ref(&guard), STOP);
            assert_eq!(spared(&rails), Some(vec![]), "{target}");
        }
        let rails = asked(&placed(&[]), std::slice::from_ref(&guard), STOP);
        assert_eq!(rails.unguarded(STOP), Ok(Some(STOP.to_owned())));
        let rails = asked(&placed(&[("r-1", "p-1")]), &[guard], "cloudtrail:DeleteTrail");
        assert_eq!(rails.denied, None);
    }

    #[test]
    fn a_level_that_does_not_allow_denies() {
        let narrow =
            scp("p-2", json!({"Statement": [{"Effect": "Allow", "Action": "codepipeline:*", "Resource": "*"}]}));
        let everywhere = [("r-1", "p-full"), ("ou-1", "p-2"), ("111111111111", "p-full")];
        let rails = asked(&placed_exactly(&everywhere), std::slice::from_ref(&narrow), STOP);
        assert_eq!(spared(&rails), Some(vec![]));
        let rails = asked(&placed_exactly(&everywhere), &[narrow], "codepipeline:UpdatePipeline");
        assert_eq!(rails.denied, None);
    }

    #[test]
    fn a_level_that_allows_nothing_at_all_was_not_seen_whole() {
        let other = scp("p-1", deny("kms:*", json!({})));
        let rails = asked(&placed_exactly(&[("r-1", "p-1"), ("ou-1", "p-full")]), &[other], STOP);
        assert!(rails.unguarded(STOP).unwrap_err().join("").contains("r-1"));
    }

    #[test]
    fn spared_principals_are_named_and_the_strictest_denial_counts() {
        let role = "arn:aws:iam::*:role/Deployment";
        let but = scp("p-1", deny("*", json!({"ArnNotLike": {"aws:PrincipalArn": role}})));
        let rails = asked(&placed(&[("ou-1", "p-1")]), std::slice::from_ref(&but), STOP);
        assert_eq!(spared(&rails), Some(vec![role]));
        let all = scp("p-2", deny(STOP, json!({})));
        let rails = asked(&placed(&[("ou-1", "p-1"), ("r-1", "p-2")]), &[but, all], STOP);
        assert_eq!(spared(&rails), Some(vec![]));
    }

    #[test]
    fn a_denial_that_hangs_on_something_else_is_named_and_does_not_count() {
        let weak = scp("p-1", deny(STOP, json!({"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}})));
        let some = scp(
            "p-2",
            json!({"Statement": {"Effect": "Deny", "Action": STOP, "Resource": "arn:aws:cloudtrail:*:*:trail/central"}}),
        );
        let rails = asked(&placed(&[("r-1", "p-1"), ("r-1", "p-2")]), &[weak, some], STOP);
        let unguarded = rails.unguarded(STOP).unwrap().unwrap();
        assert!(unguarded.contains("name-p-1: only where BoolIfExists aws:MultiFactorAuthPresent"), "{unguarded}");
        assert!(unguarded.contains("name-p-2: only for some resources"), "{unguarded}");
    }

    #[test]
    fn a_statement_about_all_resources_of_a_kind_is_about_any() {
        let all = scp(
            "p-1",
            json!({"Statement": {"Effect": "Deny", "Action": STOP, "Resource": "arn:aws:cloudtrail:*:*:trail/*"}}),
        );
        assert!(asked(&placed(&[("r-1", "p-1")]), &[all], STOP).denied.is_some());
    }

    #[test]
    fn what_could_not_be_read_is_a_doubt_unless_something_else_denies() {
        let mut hidden = scp("p-1", json!({}));
        hidden.properties.remove("Content");
        hidden.unseen.insert("Content".to_owned(), denied("organizations:DescribePolicy"));
        let rails = asked(&placed(&[("r-1", "p-1")]), std::slice::from_ref(&hidden), STOP);
        assert!(rails.unguarded(STOP).unwrap_err().join("").contains("organizations:DescribePolicy"));
        let guard = scp("p-2", deny(STOP, json!({})));
        let rails = asked(&placed(&[("r-1", "p-1"), ("r-1", "p-2")]), &[hidden, guard], STOP);
        assert_eq!(rails.unguarded(STOP), Ok(None));
        // Neither a policy that was never read nor one without statements allows or denies anything.
        let rails = asked(&placed_exactly(&[("r-1", "p-9")]), &[], STOP);
        assert!(rails.unguarded(STOP).is_err());
        let rails = asked(&placed_exactly(&[("r-1", "p-3")]), &[scp("p-3", json!("text"))], STOP);
        assert!(rails.unguarded(STOP).is_err());
    }

    #[test]
    fn hidden_attachments_and_unlisted_accounts_are_doubts() {
        let mut account = placed(&[]);
        account.properties.remove("ServiceControlPolicies");
        account.unseen.insert("ServiceControlPolicies".to_owned(), denied("organizations:ListPolicies"));
        assert!(asked(&account, &[], STOP).unguarded(STOP).is_err());
        let other: AccountId = "222222222222".parse().unwrap();
        assert!(rails(&other, STOP, None, &joins(&[account], &[])).unguarded(STOP).is_err());
    }

    #[test]
    fn neither_the_management_account_nor_a_type_that_is_off_is_governed() {
        let guard = scp("p-1", deny("*", json!({})));
        let mut account = placed(&[("r-1", "p-1")]);
        account.properties.insert("EnabledPolicyTypes".to_owned(), json!([]));
        assert_eq!(asked(&account, std::slice::from_ref(&guard), STOP).denied, None);
        let mut account = placed(&[("r-1", "p-1")]);
        account.properties.insert("ManagementAccount".to_owned(), json!(true));
        assert!(asked(&account, &[guard], STOP).unguarded(STOP).unwrap().unwrap().contains("management account"));
    }

    #[test]
    fn resource_control_reaches_keys_and_buckets_but_not_trails() {
        let guard = policy("p-1", RESOURCE_CONTROL, deny("*", json!({})));
        let mut account = placed(&[]);
        account
            .properties
            .insert("ResourceControlPolicies".to_owned(), json!([{"Id": "p-1", "Name": "x", "TargetId": "ou-1"}]));
        assert!(asked(&account, std::slice::from_ref(&guard), "kms:DisableKey").denied.is_some());
        assert_eq!(asked(&account, &[guard], STOP).denied, None);
    }

    #[test]
    fn regions_are_held_to_by_denials_and_by_permissions() {
        const RUN: &str = "codebuild:StartBuild";
        let outside = json!({"StringNotEquals": {"aws:RequestedRegion": ["eu-central-1", "eu-west-1"]}});
        let by_denial = scp(
            "p-1",
            json!({"Statement": [{"Effect": "Deny", "NotAction": ["iam:*"], "Resource": "*", "Condition": outside}]}),
        );
        let rails = asked(&placed(&[("r-1", "p-1")]), &[by_denial], RUN);
        assert_eq!(rails.unrestricted(RUN), Ok(None));
        assert_eq!(rails.regions.as_ref().map(BTreeSet::len), Some(2));
        assert!(rails.unguarded(RUN).unwrap().unwrap().contains("only outside eu-central-1, eu-west-1"));
        let by_permission = scp(
            "p-2",
            json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*",
                "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-central-1"}}}]}),
        );
        let levels = [("r-1", "p-2"), ("ou-1", "p-full")];
        let rails = asked(&placed_exactly(&levels), std::slice::from_ref(&by_permission), RUN);
        assert_eq!(rails.unrestricted(RUN), Ok(None));
        // A second permission on the same level that names no Region opens it again.
        let rails = asked(&placed_exactly(&[("r-1", "p-2"), ("r-1", "p-full")]), &[by_permission], RUN);
        assert_eq!(rails.unrestricted(RUN), Ok(Some(RUN.to_owned())));
    }

    #[test]
    fn guards_of_the_organization_are_found_wherever_they_are_attached() {
        let mut guard = scp("p-1", deny("kms:*", json!({})));
        guard.properties.insert("TargetIds".to_owned(), json!(["ou-9"]));
        let weak = scp("p-2", deny("kms:*", json!({"Bool": {"aws:MultiFactorAuthPresent": "false"}})));
        let account = placed(&[]);
        let full = scp("p-full", serde_json::from_str(ALLOW_ALL).unwrap());
        let joins = joins(&[guard, weak, full, account.clone()], &[]);
        let (guards, doubts) = guards(&account.account, &joins);
        assert_eq!(doubts, Vec::<String>::new());
        let [found] = guards.as_slice() else { panic!("{}", guards.len()) };
        assert_eq!((found.name, found.targets.len()), ("name-p-1", 1));
        assert_eq!(found.actions, KEY_ACTIONS.iter().copied().collect());
    }
}
