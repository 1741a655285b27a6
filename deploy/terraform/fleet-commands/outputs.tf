output "commands_role_arn" {
  value = aws_iam_role.commands_role.arn
}
