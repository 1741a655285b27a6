output "state_machine_arn" {
  value = aws_sfn_state_machine.state_machine.arn
}

output "state_machine_role_arn" {
  value = aws_iam_role.state_machine_role.arn
}

output "bucket_name" {
  value = aws_s3_bucket.bucket.id
}

output "operator_policy_arn" {
  value = aws_iam_policy.operator_policy.arn
}

output "exports" {
  description = "What `brokerproof fleet` reads."
  value       = "export BROKERPROOF_FLEET_STATE_MACHINE=${aws_sfn_state_machine.state_machine.arn} BROKERPROOF_FLEET_BUCKET=${aws_s3_bucket.bucket.id}"
}

output "sender_policy_arn" {
  value = aws_iam_policy.sender_policy.arn
}

output "ssm_exports" {
  description = "What `brokerproof fleet` reads to run instances by Run Command."
  value       = "export BROKERPROOF_FLEET_ENGINE=ssm BROKERPROOF_FLEET_REGION=${data.aws_region.this.name} BROKERPROOF_FLEET_BUCKET=${aws_s3_bucket.bucket.id}"
}
