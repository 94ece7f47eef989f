//! What pipelines call: `aws_lambda_function`, `aws_sfn_state_machine`.

use super::{Kind, kind};
use crate::template::terraform::mapping::{Attribute, same};

const FUNCTION: &[Attribute] = &[same("function_name", "FunctionName"), same("role", "Role")];
const STATE_MACHINE: &[Attribute] =
    &[same("name", "StateMachineName"), same("definition", "DefinitionString"), same("role_arn", "RoleArn")];

pub(super) const KINDS: &[Kind] = &[
    kind("aws_lambda_function", "AWS::Lambda::Function", "function_name", FUNCTION),
    kind("aws_sfn_state_machine", "AWS::StepFunctions::StateMachine", "name", STATE_MACHINE).with_arn_as_id(),
];
