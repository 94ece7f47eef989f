//! Build projects.

use super::{BucketRef, name, number_in};
use crate::simulate::world::World;

/// A build project; the pipeline of the same number builds with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProjectSpec {
    pub(crate) account: usize,
    pub(crate) region: usize,
    pub(crate) number: usize,
    /// Where it keeps its own artifacts; `None`: in the pipeline's store.
    pub(crate) bucket: Option<BucketRef>,
    pub(crate) privileged: bool,
    /// A secret in plaintext among its variables.
    pub(crate) secret: bool,
}

impl ProjectSpec {
    /// The project of that number.
    pub(crate) fn new(world: &World, account: usize, region: usize, number: usize) -> Self {
        let mut rng = world.generator(account, region, "project", number);
        let bucket = (number % 3 == 2).then_some(BucketRef { account, region, slot: 2 });
        Self { account, region, number, bucket, privileged: rng.u8(..3) == 0, secret: rng.u8(..4) == 0 }
    }

    /// The project of that name.
    pub(crate) fn named(world: &World, account: usize, region: usize, text: &str) -> Option<Self> {
        let number = number_in(account, "project", text, world.pipeline_count(account, region))?;
        Some(Self::new(world, account, region, number))
    }

    /// All projects of an account in a Region.
    pub(crate) fn all(world: &World, account: usize, region: usize) -> impl Iterator<Item = Self> {
        (0..world.pipeline_count(account, region)).map(move |number| Self::new(world, account, region, number))
    }

    /// Whether it has a source of its own, and not only the pipeline's.
    pub(crate) fn has_repository(&self) -> bool {
        self.bucket.is_some()
    }

    /// Its ARN.
    pub(crate) fn arn(&self, world: &World) -> String {
        world.arn("codebuild", self.region, self.account, &format!("project/{}", self.name()))
    }

    /// The ARN of the group that its test reports go to.
    pub(crate) fn report_group(&self, world: &World) -> String {
        world.arn("codebuild", self.region, self.account, &format!("report-group/{}-tests", self.name()))
    }

    /// Its name.
    pub(crate) fn name(&self) -> String {
        name(self.account, "project", self.number)
    }
}
