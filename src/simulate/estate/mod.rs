//! What an account holds, as knobs: nothing here knows how an API writes it or what a control says of it.
//!
//! In: (seed, account, Region, number). Out: one specification per thing, made anew whenever it is asked for; a thing's
//! name carries its number, so that asking by name makes only that thing.

mod build;
mod config_rule;
mod deployment;
mod history;
mod history_act;
mod history_cast;
mod history_deploy;
mod history_plot;
mod hosted;
mod keeping;
mod knobs;
mod observation;
mod pipeline;
mod practice;
mod project;
mod recipes;
mod registry;
mod role;
mod rollout;
mod secret;
mod source;
mod storage;

pub(crate) use build::{
    Activity, BuildKey, BuildSpec, Buildspec, Cache, Export, Hook, Host, Image, Logs, Network, Visibility,
    source_credential,
};
pub(crate) use config_rule::{ConfigRuleSpec, RuleCompliance, records};
pub(crate) use deployment::{
    AlarmName, Blue, CONFIGS, Config, Fleet, GroupSpec, Naming, Notification, Platform, Rollback,
};
pub(crate) use deployment::{application_count, application_name, platform};
pub(crate) use history::{Begun, Commit, Ending, Run, STORY_DAYS, Status, Story, has_commits};
pub(crate) use history_act::{Act, Deed, acts, build_id, updates};
pub(crate) use history_cast::{Caller, sha, uuid};
pub(crate) use history_deploy::{Asked, Deployed, Finish, deployed};
pub(crate) use history_plot::Extra;
pub(crate) use hosted::{Access, Bypass, HostedSpec, Hoster, Layers, Owner, Rules, Trouble};
pub(crate) use keeping::{
    ADMINISTRATORS, Administration, DEPLOYERS, Expiry, Keeping, PutDeny, Replica, administration, is_bootstrap,
};
pub(crate) use knobs::{
    Approval, Artifact, Mode, PipelineSpec, Reach, Secret, Source, StageRollback, Staging, Step, Store, Tests, Version,
    Watch, Webhook,
};
pub(crate) use observation::{
    ALARM_SLOTS, AlarmSpec, AlarmState, DataEvents, Scope, TrailSpec, alarm_slot_of, organization_trail, trails_of,
};
pub(crate) use practice::{
    CONFIGURATION, PracticeSpec, Rule, Scan, Topic, Window, has_approval, trigger_heard, trigger_topic,
};
pub(crate) use project::ProjectSpec;
pub(crate) use registry::{
    ImageEncryption, Mutability, OUTSIDE_ACCOUNT, RepositoryRef, Scanning, Signing, TOOLS_FILTER, build_image,
    foreign_image, registry,
};
pub(crate) use role::{Duty, Grants, RoleRef, RoleSpec, Trusts, Workflows};
pub(crate) use rollout::{Ready, RolloutSpec};
pub(crate) use secret::{DATABASE_SLOT, Rotation, SECRET_SLOTS, SecretForm, SecretRef};
pub(crate) use source::{CodeCommitSpec, ConnectionSpec, Files, Hosting, SourceSpec, TEMPLATES, Templates};
pub(crate) use storage::{
    ARTIFACT_SLOTS, AWS_MANAGED_SLOT, BucketRef, BucketSpec, Encryption, KEY_SLOTS, KeyForm, KeyRef, KeyState, KeyUse,
    Lock, Outsiders, TlsDeny,
};

/// What the things of an account are called after; none of these words says anything about an environment.
const WORDS: &[&str] = &["orders", "catalog", "billing", "search", "identity", "shipping", "ledger", "quotes"];

/// The word for a number in an account.
pub(crate) fn word(account: usize, number: usize) -> &'static str {
    WORDS.get((account + number) % WORDS.len()).copied().unwrap_or("orders")
}

/// `word-kind-number`
pub(crate) fn name(account: usize, kind: &str, number: usize) -> String {
    format!("{}-{kind}-{number:02}", word(account, number))
}

/// The number in such a name, if it is exactly the name that the number gives.
pub(crate) fn number_in(account: usize, kind: &str, text: &str, count: usize) -> Option<usize> {
    let number: usize = text.rsplit('-').next()?.parse().ok()?;
    (number < count && name(account, kind, number) == text).then_some(number)
}

/// One of several, by a generator.
fn choose<T: Copy>(generator: &mut fastrand::Rng, choices: &[T], otherwise: T) -> T {
    if choices.is_empty() {
        otherwise
    } else {
        choices.get(generator.usize(..choices.len())).copied().unwrap_or(otherwise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_their_number_back() {
        assert_eq!(number_in(5, "release", &name(5, "release", 7), 10), Some(7));
        assert_eq!(number_in(5, "release", &name(5, "release", 7), 7), None);
        assert_eq!(number_in(6, "release", &name(5, "release", 7), 10), None);
        assert_eq!(number_in(5, "release", "something", 10), None);
    }
}
