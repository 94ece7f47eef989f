# What is required, and what switches a part on. Everything else of a template goes through its `*_parameters`, under the
# template's own names, so that nothing has to be described twice: see the Parameters of infra/*/template.yaml.

variable "name" {
  description = "Begins the names of the stacks"
  type        = string
  default     = "pipewarden"

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,40}$", var.name))
    error_message = "A letter, then up to 40 letters, digits and hyphens."
  }
}

variable "organization_id" {
  description = "The organization that is audited"
  type        = string

  validation {
    condition     = can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "The id of an organization begins with o-."
  }
}

variable "organizational_unit_ids" {
  description = "Root (r-...) or organizational units (ou-...) whose accounts are audited"
  type        = list(string)

  validation {
    condition     = length(var.organizational_unit_ids) > 0 && alltrue([for id in var.organizational_unit_ids : can(regex("^(r|ou)-[a-z0-9-]+$", id))])
    error_message = "At least one id that begins with r- or ou-."
  }
}

variable "external_id" {
  description = "The external id of the member roles, and external_id in the configuration file"
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@:/_-]{2,1224}$", var.external_id))
    error_message = "2 to 1224 letters, digits or any of +=,.@:/_-"
  }
}

variable "image_uri" {
  description = "The container image in ECR, best by digest"
  type        = string
}

variable "repository_arn" {
  description = "The ECR repository of the image"
  type        = string
}

variable "architecture" {
  description = "What the image was built for"
  type        = string
  default     = "ARM64"

  validation {
    condition     = contains(["ARM64", "X86_64"], var.architecture)
    error_message = "ARM64 or X86_64."
  }
}

variable "environment" {
  description = "Value of the tag environment on everything here"
  type        = string
  default     = "production"
}

variable "member_role_name" {
  description = "Name of the role in every account"
  type        = string
  default     = "PipewardenAudit"
}

variable "audit_role_name" {
  description = "Name of the role that audits"
  type        = string
  default     = "PipewardenHub"
}

variable "max_session_duration" {
  description = "Seconds; at least duration_seconds in the configuration file"
  type        = number
  default     = 3600

  validation {
    condition     = var.max_session_duration >= 3600 && var.max_session_duration <= 43200
    error_message = "3600 to 43200 seconds."
  }
}

variable "management_account" {
  description = "Whether the management account gets the member role too; stack sets leave it out"
  type        = bool
  default     = true
}

variable "config_key" {
  description = "Key of the configuration file in the report bucket"
  type        = string
  default     = "config/pipewarden.toml"
}

variable "schedule_expression" {
  description = "When the run begins, as EventBridge Scheduler writes it"
  type        = string
  default     = "cron(0 1 * * ? *)"
}

variable "schedule_time_zone" {
  description = "Time zone of the schedule"
  type        = string
  default     = "UTC"
}

variable "secrets" {
  description = "ARNs of secrets in Secrets Manager by the variables that the configuration file names; #KEY behind one takes one key of a JSON secret"
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([
      for name, place in var.secrets : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", name)) &&
      can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+(:[^:,#[:space:]]*:[^:,#[:space:]]*:[^:,#[:space:]]*)?(#[^,#[:space:]]+)?$", place))
    ])
    error_message = "Names of variables, each with the ARN of a secret and, behind a #, one of its keys."
  }
}

variable "hub_parameters" {
  description = "Further parameters of infra/hub/template.yaml, by their names there"
  type        = map(string)
  default     = {}
}

variable "fan_out" {
  description = "Whether Step Functions runs the night, an account at a time"
  type        = bool
  default     = false
}

variable "fan_out_parameters" {
  description = "Further parameters of infra/fan-out/template.yaml, by their names there"
  type        = map(string)
  default     = {}
}

variable "recheck" {
  description = "Whether changes on the delivery path are judged within minutes"
  type        = bool
  default     = false
}

variable "recheck_regions" {
  description = "Regions whose changes are forwarded; with that of IAM, us-east-1 in the partition aws. Not of the management account, which stack sets leave out: deploy infra/recheck/member.yaml there by hand"
  type        = list(string)
  default     = []
}

variable "recheck_parameters" {
  description = "Further parameters of infra/recheck/template.yaml, by their names there"
  type        = map(string)
  default     = {}
}

variable "history" {
  description = "Whether there are tables over the organization's trail and over runs"
  type        = bool
  default     = false
}

variable "history_parameters" {
  description = "Parameters of infra/history/template.yaml, by their names there; TrailBucket has no default; AccountIds has 315 accounts at most"
  type        = map(string)
  default     = {}
}

variable "hook_regions" {
  description = "Regions in which CloudFormation asks pipewarden before it provisions; none: no hook. The image has to be in each of them, under the same name. Not in the management account, which stack sets leave out"
  type        = list(string)
  default     = []
}

variable "hook_parameters" {
  description = "Further parameters of infra/hook/template.yaml, by their names there"
  type        = map(string)
  default     = {}
}
