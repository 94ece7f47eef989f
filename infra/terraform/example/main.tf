# A fanned out night, rechecks and the trail's tables. The two providers are the audit account and the management account.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.40"
    }
  }
}

variable "external_id" {
  description = "The external id of the member roles"
  type        = string
}

provider "aws" {
  region  = "eu-central-1"
  profile = "audit"
}

provider "aws" {
  alias   = "management"
  region  = "eu-central-1"
  profile = "management"
}

module "pipewarden" {
  source = "../"

  providers = {
    aws            = aws
    aws.management = aws.management
  }

  organization_id         = "o-exampleorg1"
  organizational_unit_ids = ["r-exam"]
  external_id             = var.external_id
  image_uri               = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/pipewarden@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  repository_arn          = "arn:aws:ecr:eu-central-1:111122223333:repository/pipewarden"
  schedule_time_zone      = "Europe/Berlin"

  secrets = {
    SOURCE_TOKEN     = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:pipewarden/github-AbCdEf#token"
    CHAT_WEBHOOK_URL = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:pipewarden/chat-GhIjKl"
  }

  hub_parameters = {
    AlarmEmail = "security@example.com"
    LockMode   = "GOVERNANCE"
    LockDays   = "30"
  }

  fan_out            = true
  fan_out_parameters = { MaxConcurrency = "100", ReservedConcurrency = "120" }

  recheck         = true
  recheck_regions = ["eu-central-1", "us-east-1"]

  history = true
  history_parameters = {
    TrailBucket = "acme-trail"
    AccountIds  = "111122223333,444455556666"
    Regions     = "eu-central-1,us-east-1"
  }
}

output "report_bucket" {
  description = "Put config/pipewarden.toml here"
  value       = module.pipewarden.report_bucket
}
