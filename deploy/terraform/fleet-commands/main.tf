# One account whose instances are run by Run Command: the role that sends commands to them. Once an account, whatever its
# Regions. As deploy/cloudformation/fleet-commands.yaml; tests/fleet/test_terraform.py compares the two.

data "aws_partition" "this" {}

locals {
  bucket = "arn:${data.aws_partition.this.partition}:s3:::${var.bucket_name}"
}

data "aws_iam_policy_document" "trust_operator" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = [var.operator_arn]
    }
  }
}

data "aws_iam_policy_document" "commander" {
  statement {
    actions = [
      "ec2:DescribeInstances",
      "ssm:CancelCommand",
      "ssm:DescribeInstanceInformation",
      "ssm:ListCommandInvocations",
      "ssm:ListCommands",
    ]
    resources = ["*"]
  }
  statement {
    actions   = ["ssm:SendCommand"]
    resources = ["arn:${data.aws_partition.this.partition}:ssm:*::document/AWS-RunShellScript"]
  }
  statement {
    actions = ["ssm:SendCommand"]
    resources = [
      "arn:${data.aws_partition.this.partition}:ec2:*:*:instance/*",
      "arn:${data.aws_partition.this.partition}:ssm:*:*:managed-instance/*",
    ]
  }
}

resource "aws_iam_role" "commands_role" {
  name               = "brokerproof-fleet-commands"
  assume_role_policy = data.aws_iam_policy_document.trust_operator.json
}

resource "aws_iam_role_policy" "commands" {
  name   = "commands"
  role   = aws_iam_role.commands_role.id
  policy = data.aws_iam_policy_document.commander.json
}

data "aws_iam_policy_document" "instance" {
  statement {
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket}/${var.prefix}/*/runs/_output/*"]
  }
}

resource "aws_iam_policy" "instance_policy" {
  count       = var.bucket_name == "" ? 0 : 1
  name_prefix = "brokerproof-fleet-instance-"
  description = "For roles of instances, so that what brokerproof fleet prints there is kept"
  policy      = data.aws_iam_policy_document.instance.json
}
