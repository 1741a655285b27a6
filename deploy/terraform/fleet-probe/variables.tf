variable "client_name" {
  description = "As the intent or topology file names it."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9_-]{0,31}$", var.client_name))
    error_message = "Lower-case letters, digits, hyphens and _, at most 32."
  }
}

variable "subnet_ids" {
  description = "The subnets of the application."
  type        = list(string)
}

variable "security_group_ids" {
  description = "The application's: the probe proves the path of these."
  type        = list(string)
}

variable "state_machine_role_arn" {
  description = "An output of the hub."
  type        = string
}

variable "bucket_name" {
  description = "Likewise."
  type        = string
}

variable "prefix" {
  description = "As the hub has it."
  type        = string
  default     = "brokerproof"
}

variable "code_bucket" {
  description = "A bucket of this Region with the function's zip."
  type        = string
  default     = ""
}

variable "code_key" {
  description = "The zip that `brokerproof fleet function` makes."
  type        = string
  default     = ""
}

variable "image_uri" {
  description = "Instead of the zip: the image in a registry (ECR) of this Region."
  type        = string
  default     = ""
}

variable "architecture" {
  description = "Of the zip or the image."
  type        = string
  default     = "arm64"
  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "arm64 or x86_64."
  }
}

variable "memory_mb" {
  description = "1769 MB are one core."
  type        = number
  default     = 1024
}

variable "timeout_seconds" {
  description = "More than a plan takes at most; the probe refuses a plan it has not the time for."
  type        = number
  default     = 120
}

variable "log_retention_days" {
  description = "Of the function's log."
  type        = number
  default     = 30
}

variable "alarm_topic_arn" {
  description = "Where alarms go; empty: there is none."
  type        = string
  default     = ""
}

variable "cluster_policy_arn" {
  description = "A managed policy with kafka-cluster actions, for clients that log in by IAM."
  type        = string
  default     = ""
}
