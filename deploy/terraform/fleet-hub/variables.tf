variable "bucket_name" {
  description = "The bucket to make for plans and outcomes."
  type        = string
}

variable "prefix" {
  description = "Below which its objects are."
  type        = string
  default     = "brokerproof"
}

variable "organization_id" {
  description = "The organisation whose accounts have probes (o-...); empty: this account alone."
  type        = string
  default     = ""
}

variable "schedule_expression" {
  description = "When the set runs, such as rate(1 hour); empty: it is not scheduled."
  type        = string
  default     = ""
}

variable "scheduled_set" {
  description = "The name given to `fleet publish`."
  type        = string
  default     = "scheduled"
}

variable "max_concurrency" {
  description = "Clients at a time of a scheduled run, as `fleet publish` says."
  type        = number
  default     = 5
}

variable "retention_days" {
  description = "After how many days objects are removed."
  type        = number
  default     = 90
}
