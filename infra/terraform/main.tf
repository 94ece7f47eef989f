# The templates of infra/ are the one source; this module deploys them as they are.

locals {
  tags         = { owner = "pipewarden", environment = var.environment }
  function_cpu = lower(var.architecture)
  hub          = aws_cloudformation_stack.hub.outputs

  # One map for the list that tasks and functions read, and for the ARNs that their role may read.
  secrets     = join(",", [for name, place in var.secrets : "${name}=${place}"])
  secret_arns = join(",", distinct([for place in values(var.secrets) : join(":", slice(split(":", split("#", place)[0]), 0, 7))]))
}

resource "aws_cloudformation_stack" "hub" {
  name               = var.name
  template_body      = file("${path.module}/../hub/template.yaml")
  capabilities       = ["CAPABILITY_NAMED_IAM"]
  on_failure         = "ROLLBACK"
  timeout_in_minutes = 60
  tags               = local.tags

  parameters = merge({
    OrganizationId     = var.organization_id
    AuditRoleName      = var.audit_role_name
    MemberRoleName     = var.member_role_name
    ExternalId         = var.external_id
    ImageUri           = var.image_uri
    RepositoryArn      = var.repository_arn
    Architecture       = var.architecture
    ConfigKey          = var.config_key
    Secrets            = local.secrets
    SecretArns         = local.secret_arns
    Environment        = var.environment
    ScheduleExpression = var.schedule_expression
    ScheduleTimeZone   = var.schedule_time_zone
    ScheduleState      = var.fan_out ? "DISABLED" : "ENABLED"
  }, var.hub_parameters)
}

# Instances are made, changed and removed as their own resource says; what a stack set prefers is for changes of its template. With
# the defaults of either, an account comes after the other, the first that fails ends it, and Terraform waits half an hour.

# The member role of every account; its trust names the audit role, which has to be there before.
resource "aws_cloudformation_stack_set" "member" {
  provider         = aws.management
  name             = "${var.name}-member"
  description      = "The role that pipewarden enters in every account; read-only"
  permission_model = "SERVICE_MANAGED"
  template_body    = file("${path.module}/../member/template.json")
  capabilities     = ["CAPABILITY_NAMED_IAM"]
  tags             = local.tags

  parameters = {
    AuditRoleArn       = local.hub["AuditRoleArn"]
    OrganizationId     = var.organization_id
    ExternalId         = var.external_id
    RoleName           = var.member_role_name
    MaxSessionDuration = var.max_session_duration
  }

  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = false
  }

  managed_execution {
    active = true
  }

  operation_preferences {
    failure_tolerance_percentage = 100
    max_concurrent_percentage    = 25
  }

  timeouts {
    update = "6h"
  }

  lifecycle {
    # The service writes its own role here.
    ignore_changes = [administration_role_arn]
  }
}

resource "aws_cloudformation_stack_set_instance" "member" {
  provider       = aws.management
  stack_set_name = aws_cloudformation_stack_set.member.name

  deployment_targets {
    organizational_unit_ids = var.organizational_unit_ids
  }

  operation_preferences {
    failure_tolerance_percentage = 100
    max_concurrent_percentage    = 25
  }

  timeouts {
    create = "6h"
    update = "6h"
    delete = "6h"
  }
}

resource "aws_cloudformation_stack" "management" {
  count         = var.management_account ? 1 : 0
  provider      = aws.management
  name          = "${var.name}-member"
  template_body = file("${path.module}/../member/template.json")
  capabilities  = ["CAPABILITY_NAMED_IAM"]
  tags          = local.tags

  parameters = {
    AuditRoleArn       = local.hub["AuditRoleArn"]
    OrganizationId     = var.organization_id
    ExternalId         = var.external_id
    RoleName           = var.member_role_name
    MaxSessionDuration = var.max_session_duration
  }
}

resource "aws_cloudformation_stack" "fan_out" {
  count         = var.fan_out ? 1 : 0
  name          = "${var.name}-fan-out"
  template_body = file("${path.module}/../fan-out/template.yaml")
  capabilities  = ["CAPABILITY_IAM"]
  tags          = local.tags

  parameters = merge({
    ImageUri           = var.image_uri
    Architecture       = local.function_cpu
    ReportBucket       = local.hub["ReportBucket"]
    KeyArn             = local.hub["KeyArn"]
    ConfigKey          = var.config_key
    Secrets            = local.secrets
    AuditRoleArn       = local.hub["AuditRoleArn"]
    AuditRoleName      = local.hub["AuditRoleName"]
    ExecutionRoleArn   = local.hub["ExecutionRoleArn"]
    AlarmTopicArn      = local.hub["AlarmTopicArn"]
    ClusterArn         = local.hub["ClusterArn"]
    TaskFamily         = local.hub["TaskFamily"]
    SubnetIds          = local.hub["Subnets"]
    SecurityGroupId    = local.hub["SecurityGroup"]
    AssignPublicIp     = local.hub["PublicIp"]
    ScheduleExpression = var.schedule_expression
    ScheduleTimeZone   = var.schedule_time_zone
    Environment        = var.environment
  }, var.fan_out_parameters)
}

resource "aws_cloudformation_stack" "recheck" {
  count         = var.recheck ? 1 : 0
  name          = "${var.name}-recheck"
  template_body = file("${path.module}/../recheck/template.yaml")
  capabilities  = ["CAPABILITY_IAM"]
  tags          = local.tags

  parameters = merge({
    OrganizationId = var.organization_id
    ImageUri       = var.image_uri
    Architecture   = local.function_cpu
    ReportBucket   = local.hub["ReportBucket"]
    KeyArn         = local.hub["KeyArn"]
    ConfigKey      = var.config_key
    Secrets        = local.secrets
    AuditRoleArn   = local.hub["AuditRoleArn"]
    AuditRoleName  = local.hub["AuditRoleName"]
    AlarmTopicArn  = local.hub["AlarmTopicArn"]
    Environment    = var.environment
  }, var.recheck_parameters)
}

resource "aws_cloudformation_stack_set" "forward" {
  count            = var.recheck ? 1 : 0
  provider         = aws.management
  name             = "${var.name}-forward"
  description      = "Forwards changes on the delivery path to pipewarden"
  permission_model = "SERVICE_MANAGED"
  template_body    = file("${path.module}/../recheck/member.yaml")
  capabilities     = ["CAPABILITY_IAM"]
  tags             = local.tags

  parameters = {
    BusArn      = aws_cloudformation_stack.recheck[0].outputs["BusArn"]
    Environment = var.environment
  }

  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = false
  }

  managed_execution {
    active = true
  }

  operation_preferences {
    failure_tolerance_percentage = 100
    max_concurrent_percentage    = 25
  }

  timeouts {
    update = "6h"
  }

  lifecycle {
    ignore_changes = [administration_role_arn]
  }
}

resource "aws_cloudformation_stack_set_instance" "forward" {
  for_each       = toset(var.recheck ? var.recheck_regions : [])
  provider       = aws.management
  stack_set_name = aws_cloudformation_stack_set.forward[0].name
  region         = each.value

  deployment_targets {
    organizational_unit_ids = var.organizational_unit_ids
  }

  operation_preferences {
    failure_tolerance_percentage = 100
    max_concurrent_percentage    = 25
  }

  timeouts {
    create = "6h"
    update = "6h"
    delete = "6h"
  }
}

resource "aws_cloudformation_stack" "history" {
  count         = var.history ? 1 : 0
  name          = "${var.name}-history"
  template_body = file("${path.module}/../history/template.yaml")
  capabilities  = ["CAPABILITY_IAM"]
  tags          = local.tags

  parameters = merge({
    OrganizationId = var.organization_id
    ReportBucket   = local.hub["ReportBucket"]
    KeyArn         = local.hub["KeyArn"]
    AuditRoleName  = local.hub["AuditRoleName"]
    Environment    = var.environment
  }, var.history_parameters)

  lifecycle {
    precondition {
      condition     = alltrue([for name in ["TrailBucket"] : contains(keys(var.history_parameters), name)])
      error_message = "history_parameters needs TrailBucket."
    }

    precondition {
      condition     = length(lookup(var.history_parameters, "AccountIds", "")) <= 4096
      error_message = "CloudFormation takes 4,096 bytes of a parameter, which are 315 accounts; without AccountIds, queries name their accounts."
    }
  }
}

resource "aws_cloudformation_stack_set" "hook" {
  count            = length(var.hook_regions) > 0 ? 1 : 0
  provider         = aws.management
  name             = "${var.name}-hook"
  description      = "Judges every stack operation before it is provisioned"
  permission_model = "SERVICE_MANAGED"
  template_body    = file("${path.module}/../hook/template.yaml")
  capabilities     = ["CAPABILITY_IAM"]
  tags             = local.tags

  parameters = merge({
    ImageUri     = var.image_uri
    Architecture = local.function_cpu
  }, var.hook_parameters)

  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = false
  }

  managed_execution {
    active = true
  }

  operation_preferences {
    failure_tolerance_percentage = 100
    max_concurrent_percentage    = 25
  }

  timeouts {
    update = "6h"
  }

  lifecycle {
    ignore_changes = [administration_role_arn]
  }
}

resource "aws_cloudformation_stack_set_instance" "hook" {
  for_each       = toset(var.hook_regions)
  provider       = aws.management
  stack_set_name = aws_cloudformation_stack_set.hook[0].name
  region         = each.value

  deployment_targets {
    organizational_unit_ids = var.organizational_unit_ids
  }

  operation_preferences {
    failure_tolerance_percentage = 100
    max_concurrent_percentage    = 25
  }

  timeouts {
    create = "6h"
    update = "6h"
    delete = "6h"
  }
}
