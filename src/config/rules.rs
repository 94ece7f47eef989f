//! What the configuration says about the organization → the rules that facts follow.
//!
//! In: the tables as written. Out: [`Rules`], or the first value that cannot be used, with its key.

use std::collections::BTreeSet;

use super::{ConfigError, Written, parse_all};
use crate::facts::{BuildRules, PracticeRules, ProductionRules, RequiredTags, Rules};
use crate::inventory::{AccountId, CheckKind};

impl Written {
    pub(super) fn rules(&self, file: &str) -> Result<Rules, ConfigError> {
        Ok(Rules {
            production: self.production(file)?,
            allowed_source_owners: self.sources.allowed_owners.iter().map(|owner| owner.to_lowercase()).collect(),
            delegated_administrators: self.delegated_administrators(file)?,
            required_account_tags: self
                .organization
                .required_account_tags
                .clone()
                .map_or_else(RequiredTags::default, RequiredTags),
            builds: self.build_rules(file)?,
            practice: self.practice(file)?,
            release_managers: self.release_managers(file)?,
        })
    }

    fn build_rules(&self, file: &str) -> Result<BuildRules, ConfigError> {
        for project in &self.builds.privileged_projects {
            let account = project.split_once('/').map(|(account, _)| account);
            if account.is_none_or(|account| account.parse::<AccountId>().is_err()) {
                return Err(ConfigError::Value {
                    file: file.to_owned(),
                    key: "builds.privileged_projects".to_owned(),
                    problem: format!("`{project}` names no project; write `account/name`, such as `123456789012/web`"),
                });
            }
        }
        Ok(BuildRules {
            privileged_tags: self.builds.privileged_tags.clone(),
            privileged_projects: self.builds.privileged_projects.clone(),
        })
    }

    fn delegated_administrators(&self, file: &str) -> Result<BTreeSet<AccountId>, ConfigError> {
        let key = "organization.delegated_administrators";
        let accounts = parse_all::<AccountId>(&self.organization.delegated_administrators);
        let wrong = |problem| ConfigError::Value { file: file.to_owned(), key: key.to_owned(), problem };
        Ok(accounts.map_err(wrong)?.into_iter().collect())
    }

    fn practice(&self, file: &str) -> Result<PracticeRules, ConfigError> {
        let wrong = |key: String, problem: String| ConfigError::Value { file: file.to_owned(), key, problem };
        let kinds = |key: &str, written: &BTreeSet<String>| {
            let read = written.iter().map(|kind| kind.parse::<CheckKind>());
            read.collect::<Result<BTreeSet<_>, _>>().map_err(|problem| wrong(key.to_owned(), problem))
        };
        let mut rules = PracticeRules {
            before_production: kinds("stages.before_production", &self.stages.before_production)?,
            tier_tag: self.tiers.tag.clone(),
            default_tier: self.tiers.default.clone(),
            branches: self.branches.clone(),
            template_tags: self.templates.tags.clone(),
            template_stacks: self.templates.stacks.clone(),
            services: self.services.clone(),
            ..PracticeRules::default()
        };
        for (kind, words) in &self.stages.markers {
            let kind = kind.parse().map_err(|problem| wrong("stages.markers".to_owned(), problem))?;
            rules.markers.insert(kind, words.clone());
        }
        for (tier, written) in &self.tiers.checks {
            rules.tiers.insert(tier.clone(), kinds(&format!("tiers.checks.{tier}"), written)?);
        }
        if let Some(tier) = rules.default_tier.as_ref().filter(|tier| !rules.tiers.contains_key(*tier)) {
            let problem = format!("`{tier}` is none of the tiers under `[tiers.checks]`");
            return Err(wrong("tiers.default".to_owned(), problem));
        }
        if let Some(circle) = rules.service_cycle() {
            let problem = format!("{} wait for each other, so none can be the first", circle.join(" → "));
            return Err(wrong("services".to_owned(), problem));
        }
        Ok(rules)
    }

    fn release_managers(&self, file: &str) -> Result<BTreeSet<String>, ConfigError> {
        let patterns = &self.approvals.release_managers;
        match patterns.iter().find(|pattern| !pattern.starts_with("arn:") || !pattern.contains(":iam::")) {
            None => Ok(patterns.clone()),
            Some(pattern) => Err(ConfigError::Value {
                file: file.to_owned(),
                key: "approvals.release_managers".to_owned(),
                problem: format!(
                    "`{pattern}` is no ARN of a role or user: write one as `arn:aws:iam::*:role/ReleaseManager*`"
                ),
            }),
        }
    }

    fn production(&self, file: &str) -> Result<ProductionRules, ConfigError> {
        let mut rules = ProductionRules::default();
        let written = &self.production;
        if let Some(accounts) = &written.accounts {
            rules.accounts = parse_all::<AccountId>(accounts)
                .map_err(|problem| ConfigError::Value {
                    file: file.to_owned(),
                    key: "production.accounts".to_owned(),
                    problem,
                })?
                .into_iter()
                .collect();
        }
        if let Some(units) = &written.organizational_units {
            rules.organizational_unit_paths.clone_from(units);
        }
        if let Some(tags) = &written.tags {
            rules.tags.clone_from(tags);
        }
        if let Some(names) = &written.names {
            rules.names.clone_from(names);
        }
        Ok(rules)
    }
}
