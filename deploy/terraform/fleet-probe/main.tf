# One client of a fleet: the probe in its VPC, and the role that invokes it. As deploy/cloudformation/fleet-probe.yaml;
# tests/fleet/test_terraform.py compares the two.

data "aws_partition" "this" {}
data "aws_region" "this" {}
data "aws_caller_identity" "this" {}

locals {
  name     = "brokerproof-probe-${var.client_name}"
  of_image = var.image_uri != ""
  bucket   = "arn:${data.aws_partition.this.partition}:s3:::${var.bucket_name}"
}

resource "aws_cloudwatch_log_group" "log" {
  name              = "/aws/lambda/${local.name}"
  retention_in_days = var.log_retention_days
}

data "aws_iam_policy_document" "trust_lambda" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "function" {
  statement {
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket}/${var.prefix}/*/plans/${var.client_name}.json"]
  }
  statement {
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket}/${var.prefix}/*/runs/*/${var.client_name}.json"]
  }
}

data "aws_iam_policy_document" "lambda" {
  statement {
    actions = [
      "ec2:AssignPrivateIpAddresses",
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSubnets",
      "ec2:UnassignPrivateIpAddresses",
    ]
    resources = ["*"]
  }
  statement {
    effect    = "Deny"
    actions   = ["ec2:*NetworkInterface*", "ec2:*PrivateIpAddresses", "ec2:DescribeSubnets"]
    resources = ["*"]
    condition {
      test     = "ArnEquals"
      variable = "lambda:SourceFunctionArn"
      values = [
        "arn:${data.aws_partition.this.partition}:lambda:${data.aws_region.this.name}:${data.aws_caller_identity.this.account_id}:function:${local.name}"
      ]
    }
  }
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.log.arn}:*"]
  }
}

resource "aws_iam_role" "function_role" {
  name               = local.name
  assume_role_policy = data.aws_iam_policy_document.trust_lambda.json
}

resource "aws_iam_role_policy" "probe" {
  name   = "probe"
  role   = aws_iam_role.function_role.id
  policy = data.aws_iam_policy_document.function.json
}

resource "aws_iam_role_policy" "lambda" {
  name   = "lambda"
  role   = aws_iam_role.function_role.id
  policy = data.aws_iam_policy_document.lambda.json
}

resource "aws_iam_role_policy_attachment" "cluster" {
  count      = var.cluster_policy_arn == "" ? 0 : 1
  role       = aws_iam_role.function_role.name
  policy_arn = var.cluster_policy_arn
}

resource "aws_lambda_function" "function" {
  function_name = local.name
  package_type  = local.of_image ? "Image" : "Zip"
  runtime       = local.of_image ? null : "python3.12"
  handler       = local.of_image ? null : "brokerproof.fleet.far.entry.handle"
  architectures = [var.architecture]
  memory_size   = var.memory_mb
  timeout       = var.timeout_seconds
  role          = aws_iam_role.function_role.arn
  s3_bucket     = local.of_image ? null : var.code_bucket
  s3_key        = local.of_image ? null : var.code_key
  image_uri     = local.of_image ? var.image_uri : null
  vpc_config {
    subnet_ids         = var.subnet_ids
    security_group_ids = var.security_group_ids
  }
  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.log.name
  }
  lifecycle {
    precondition {
      condition     = local.of_image ? "${var.code_bucket}${var.code_key}" == "" : var.code_bucket != "" && var.code_key != ""
      error_message = "Give code_bucket and code_key, or image_uri alone."
    }
  }
}

resource "aws_lambda_function_event_invoke_config" "asked_once" {
  function_name          = aws_lambda_function.function.function_name
  qualifier              = "$LATEST"
  maximum_retry_attempts = 0
}

data "aws_iam_policy_document" "trust_hub" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = [var.state_machine_role_arn]
    }
  }
}

data "aws_iam_policy_document" "invoker" {
  statement {
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_function.function.arn]
  }
}

resource "aws_iam_role" "invoke_role" {
  name               = "brokerproof-fleet-invoke-${var.client_name}"
  assume_role_policy = data.aws_iam_policy_document.trust_hub.json
}

resource "aws_iam_role_policy" "invoke" {
  name   = "invoke"
  role   = aws_iam_role.invoke_role.id
  policy = data.aws_iam_policy_document.invoker.json
}

resource "aws_cloudwatch_metric_alarm" "probe_errors" {
  count               = var.alarm_topic_arn == "" ? 0 : 1
  alarm_name          = "${local.name}-errors"
  alarm_description   = "The probe of ${var.client_name} ended without an object: it did not run"
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.function.function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "probe_throttles" {
  count               = var.alarm_topic_arn == "" ? 0 : 1
  alarm_name          = "${local.name}-throttles"
  alarm_description   = "The probe of ${var.client_name} was not started: the account has no concurrency left"
  namespace           = "AWS/Lambda"
  metric_name         = "Throttles"
  dimensions          = { FunctionName = aws_lambda_function.function.function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic_arn]
}
