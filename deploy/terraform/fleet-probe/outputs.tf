output "function_arn" {
  value = aws_lambda_function.function.arn
}

output "invoke_role_arn" {
  value = aws_iam_role.invoke_role.arn
}
