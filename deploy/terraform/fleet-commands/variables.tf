variable "operator_arn" {
  description = "Who runs fleets: the ARN of a role, of a user, or of an account."
  type        = string
}

variable "bucket_name" {
  description = "The hub's bucket, where what scripts print is to be kept; empty: it is not."
  type        = string
  default     = ""
}

variable "prefix" {
  description = "As the hub has it."
  type        = string
  default     = "brokerproof"
}
