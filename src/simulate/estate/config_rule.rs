//! AWS Config: its recorders, and its rules with what it finds by them.

use super::choose;
use crate::simulate::world::World;

/// Whether there is a recorder in an account and Region, and whether it records.
pub(crate) fn records(account: usize, region: usize) -> Option<bool> {
    ((account + region) % 6 != 4).then_some((account + region) % 9 != 5)
}

/// What AWS Config finds by a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleCompliance {
    Compliant,
    NonCompliant,
    NotApplicable,
}

/// A rule of AWS Config.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConfigRuleSpec {
    pub(crate) account: usize,
    pub(crate) region: usize,
    pub(crate) number: usize,
    pub(crate) identifier: &'static str,
    pub(crate) compliance: RuleCompliance,
}

/// Managed rules; those of the second list look at nothing that a delivery is made of.
const ABOUT_DELIVERY: &[&str] = &[
    "CODEBUILD_PROJECT_ARTIFACT_ENCRYPTION",
    "CODEDEPLOY_AUTO_ROLLBACK_MONITOR_ENABLED",
    "CODEPIPELINE_DEPLOYMENT_COUNT_CHECK",
    "S3_BUCKET_VERSIONING_ENABLED",
];
const ABOUT_OTHERS: &[&str] = &["IAM_PASSWORD_POLICY", "ENCRYPTED_VOLUMES"];

impl ConfigRuleSpec {
    /// All rules of an account and Region: none without a recorder, and in some accounts none about delivery.
    pub(crate) fn all(world: &World, account: usize, region: usize) -> Vec<Self> {
        if records(account, region).is_none() {
            return Vec::new();
        }
        let mut rng = world.generator(account, region, "config-rule", 0);
        let others = Self {
            account,
            region,
            number: 0,
            identifier: choose(&mut rng, ABOUT_OTHERS, "IAM_PASSWORD_POLICY"),
            compliance: RuleCompliance::NonCompliant,
        };
        let wanted = rng.usize(..3);
        let choices = [
            RuleCompliance::Compliant,
            RuleCompliance::Compliant,
            RuleCompliance::NotApplicable,
            RuleCompliance::NonCompliant,
        ];
        let rules = (1..=wanted).map(|number| Self {
            account,
            region,
            number,
            identifier: choose(&mut rng, ABOUT_DELIVERY, "S3_BUCKET_VERSIONING_ENABLED"),
            compliance: choose(&mut rng, &choices, RuleCompliance::Compliant),
        });
        std::iter::once(others).chain(rules).collect()
    }

    /// Its name.
    pub(crate) fn name(&self) -> String {
        format!("rule-{}-{}", self.number, self.identifier.to_ascii_lowercase().replace('_', "-"))
    }

    /// Its ARN.
    pub(crate) fn arn(&self, world: &World) -> String {
        world.arn("config", self.region, self.account, &format!("config-rule/config-rule-{:04}", self.number))
    }

    /// Whether it looks at something that a delivery is made of.
    pub(crate) fn about_delivery(&self) -> bool {
        ABOUT_DELIVERY.contains(&self.identifier)
    }
}
