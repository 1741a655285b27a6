# The account that runs a fleet: state machine, bucket, schedule, and the policy of who runs it. As
# deploy/cloudformation/fleet-hub.yaml; tests/fleet/test_terraform.py compares the two. state-machine.json is written by
# `make templates`.

data "aws_partition" "this" {}
data "aws_region" "this" {}
data "aws_caller_identity" "this" {}

locals {
  bucket  = "arn:${data.aws_partition.this.partition}:s3:::${var.bucket_name}"
  states  = "arn:${data.aws_partition.this.partition}:states:${data.aws_region.this.name}:${data.aws_caller_identity.this.account_id}"
  machine = "${local.states}:stateMachine:brokerproof-fleet"
}

resource "aws_s3_bucket" "bucket" {
  bucket = var.bucket_name
}

resource "aws_s3_bucket_server_side_encryption_configuration" "bucket" {
  bucket = aws_s3_bucket.bucket.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "bucket" {
  bucket = aws_s3_bucket.bucket.id
  rule {
    id     = "retention"
    status = "Enabled"
    filter {}
    expiration {
      days = var.retention_days
    }
  }
}

resource "aws_s3_bucket_ownership_controls" "bucket" {
  bucket = aws_s3_bucket.bucket.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "bucket" {
  bucket                  = aws_s3_bucket.bucket.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

data "aws_iam_policy_document" "bucket" {
  statement {
    sid       = "EncryptedInTransit"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = ["${local.bucket}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
  dynamic "statement" {
    for_each = var.organization_id == "" ? {} : {
      ProbesReadPlans     = { action = "s3:GetObject", below = "*/plans/*" }
      ProbesWriteOutcomes = { action = "s3:PutObject", below = "*/runs/*/*" }
    }
    content {
      sid       = statement.key
      actions   = [statement.value.action]
      resources = ["${local.bucket}/${var.prefix}/${statement.value.below}"]
      principals {
        type        = "*"
        identifiers = ["*"]
      }
      condition {
        test     = "StringEquals"
        variable = "aws:PrincipalOrgID"
        values   = [var.organization_id]
      }
      condition {
        test     = "ArnLike"
        variable = "aws:PrincipalArn"
        values   = ["arn:${data.aws_partition.this.partition}:iam::*:role/brokerproof-probe-*"]
      }
    }
  }
}

resource "aws_s3_bucket_policy" "bucket_policy" {
  bucket = aws_s3_bucket.bucket.id
  policy = data.aws_iam_policy_document.bucket.json
}

data "aws_iam_policy_document" "trust_states" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["states.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "state_machine" {
  statement {
    actions   = ["sts:AssumeRole"]
    resources = ["arn:${data.aws_partition.this.partition}:iam::*:role/brokerproof-fleet-invoke-*"]
  }
  statement {
    actions   = ["states:StartExecution"]
    resources = [local.machine]
  }
  statement {
    actions   = ["states:DescribeExecution", "states:StopExecution"]
    resources = ["${local.states}:mapRun:brokerproof-fleet/*:*", "${local.states}:execution:brokerproof-fleet/*:*"]
  }
  statement {
    actions   = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject"]
    resources = ["${local.bucket}/${var.prefix}/*/runs/*/*"]
  }
  statement {
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket}/${var.prefix}/*/*"]
  }
}

resource "aws_iam_role" "state_machine_role" {
  name               = "brokerproof-fleet-${data.aws_region.this.name}"
  assume_role_policy = data.aws_iam_policy_document.trust_states.json
}

resource "aws_iam_role_policy" "fleet" {
  name   = "fleet"
  role   = aws_iam_role.state_machine_role.id
  policy = data.aws_iam_policy_document.state_machine.json
}

resource "aws_sfn_state_machine" "state_machine" {
  name       = "brokerproof-fleet"
  role_arn   = aws_iam_role.state_machine_role.arn
  definition = file("${path.module}/state-machine.json")
}

data "aws_iam_policy_document" "trust_scheduler" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "schedule" {
  statement {
    actions   = ["states:StartExecution"]
    resources = [local.machine]
  }
}

resource "aws_iam_role" "schedule_role" {
  count              = var.schedule_expression == "" ? 0 : 1
  name_prefix        = "brokerproof-fleet-schedule-"
  assume_role_policy = data.aws_iam_policy_document.trust_scheduler.json
}

resource "aws_iam_role_policy" "start" {
  count  = var.schedule_expression == "" ? 0 : 1
  name   = "start"
  role   = aws_iam_role.schedule_role[0].id
  policy = data.aws_iam_policy_document.schedule.json
}

resource "aws_scheduler_schedule" "schedule" {
  count               = var.schedule_expression == "" ? 0 : 1
  name                = "brokerproof-fleet"
  schedule_expression = var.schedule_expression
  flexible_time_window {
    mode = "OFF"
  }
  target {
    arn      = aws_sfn_state_machine.state_machine.arn
    role_arn = aws_iam_role.schedule_role[0].arn
    input = jsonencode({
      bucket                       = var.bucket_name
      prefix                       = var.prefix
      set                          = var.scheduled_set
      items_key                    = "${var.prefix}/${var.scheduled_set}/items.json"
      engine_prefix                = "${var.prefix}/${var.scheduled_set}/runs/_engine"
      max_concurrency              = var.max_concurrency
      tolerated_failure_percentage = 100
    })
    retry_policy {
      maximum_retry_attempts = 0
    }
  }
}

data "aws_iam_policy_document" "operator" {
  statement {
    actions   = ["s3:ListBucket"]
    resources = [local.bucket]
  }
  statement {
    actions   = ["states:DescribeExecution", "states:ListMapRuns", "states:StopExecution"]
    resources = ["${local.states}:execution:brokerproof-fleet:*"]
  }
  statement {
    actions   = ["states:ListExecutions", "states:StartExecution"]
    resources = [local.machine]
  }
  statement {
    actions   = ["states:DescribeExecution", "states:ListExecutions"]
    resources = ["${local.states}:mapRun:brokerproof-fleet/*:*", "${local.states}:execution:brokerproof-fleet/*:*"]
  }
  statement {
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket}/${var.prefix}/*/runs/*/*"]
  }
  statement {
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${local.bucket}/${var.prefix}/*/*"]
  }
}

resource "aws_iam_policy" "operator_policy" {
  name_prefix = "brokerproof-fleet-operator-"
  description = "For whoever runs brokerproof fleet"
  policy      = data.aws_iam_policy_document.operator.json
}

data "aws_iam_policy_document" "sender" {
  statement {
    actions   = ["s3:ListBucket"]
    resources = [local.bucket]
  }
  statement {
    actions   = ["sts:AssumeRole"]
    resources = ["arn:${data.aws_partition.this.partition}:iam::*:role/brokerproof-fleet-commands"]
  }
  statement {
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket}/${var.prefix}/*/runs/*/*"]
  }
  statement {
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${local.bucket}/${var.prefix}/*/*"]
  }
}

resource "aws_iam_policy" "sender_policy" {
  name_prefix = "brokerproof-fleet-sender-"
  description = "For whoever runs brokerproof fleet by Run Command"
  policy      = data.aws_iam_policy_document.sender.json
}
