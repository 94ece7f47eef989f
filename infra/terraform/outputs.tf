output "report_bucket" {
  description = "The bucket of reports; the configuration file goes there too"
  value       = local.hub["ReportBucket"]
}

output "audit_role_arn" {
  description = "The role that audits"
  value       = local.hub["AuditRoleArn"]
}

output "alarm_topic_arn" {
  description = "The topic of alarms"
  value       = local.hub["AlarmTopicArn"]
}

output "hub" {
  description = "All outputs of infra/hub/template.yaml"
  value       = local.hub
}

output "state_machine_arn" {
  description = "The state machine, where the night is fanned out"
  value       = one([for stack in aws_cloudformation_stack.fan_out : stack.outputs["StateMachineArn"]])
}
