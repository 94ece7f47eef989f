//! The stages of a fan-out, as Step Functions asks for them.
//!
//! In: an item of a Distributed Map, or the input of a task. Out: what the same stage answers on the command line.

use serde_json::Value;

use super::super::audit::AuditArgs;
use super::super::failure::Failure;
use super::super::stage::{self, Stage, StageOptions};
use super::workspace;

/// Runs one stage.
pub(super) fn run(stage: Value, args: &AuditArgs) -> Result<Value, Failure> {
    let stage: Stage = serde_json::from_value(stage).map_err(|error| {
        Failure::usage(format!(
            "the event is no stage of a run: {error}; a stage is `begin`, `account`, `references`, `referenced` or `conclude`"
        ))
    })?;
    if workspace::is_unnamed(&args.run.out) {
        return Err(Failure::usage("the workers of a run share its folder; name it with PIPEWARDEN_OUT"));
    }
    let options = StageOptions {
        run: args.run.clone(),
        policies: args.policies.clone(),
        aws: args.aws.clone(),
        report: args.report.clone(),
        deliver: args.deliver,
    };
    stage::run(&stage, &options)
}
