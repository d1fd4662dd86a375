# send-notification on Cloud Run, called by Cloud Tasks, with the ledger in Cloud SQL for PostgreSQL.
#
# For another function, change the default of `name` and `queue`, and what send-notification needs of its own: the variable, the
# secret and the setting below `send-notification:`.

terraform {
  # Write-only arguments keep the passwords out of the state.
  required_version = ">= 1.11"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.7"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region
}

variable "project" {
  description = "ID of the project."
  type        = string
}

variable "region" {
  description = "Region of all resources."
  type        = string
  default     = "europe-west1"
}

variable "name" {
  description = "Name of the function. It begins the names of the resources."
  type        = string
  default     = "send-notification"
  validation {
    # The longest name of a service account is 30 characters: https://cloud.google.com/iam/docs/service-accounts-create
    condition     = length(var.name) <= 23
    error_message = "At most 23 characters."
  }
}

variable "queue" {
  description = "Name of the queue."
  type        = string
  default     = "notifications"
}

variable "image" {
  description = "The image of container/Containerfile, with a digest."
  type        = string
}

variable "database_password" {
  description = "Password of the user app."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "passwords_version" {
  description = "Raise it to change a secret: Terraform can't compare what it does not store."
  type        = number
  default     = 1
}

variable "producer" {
  description = "Email of the service account that sends messages."
  type        = string
}

variable "alert_email" {
  description = "Where alerts are sent."
  type        = string
}

# send-notification:
variable "notification_url" {
  description = "The HTTP receiver."
  type        = string
  sensitive   = true
  ephemeral   = true
}

locals {
  # Messages that one instance processes at a time, and its connections to PostgreSQL at most.
  concurrency = 10
  # The most instances of one revision. During a deployment there are two revisions.
  instances = 10
  # Connections of PostgreSQL: 2 x instances x concurrency, and what operators and the server need.
  connections = 250

  # The dispatch deadline of a task: 600 unless its producer states another, and 1800 at most.
  # https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks#Task
  deadline_seconds = 600
  # Of the 10 that Cloud Run leaves after SIGTERM. The ledger and a delayed copy take up to 4.5 more.
  drain_seconds = 3

  # It does not depend on the service, which needs it in its own settings.
  # https://cloud.google.com/run/docs/triggering/https-request#deterministic
  url = "https://${var.name}-${data.google_project.this.number}.${var.region}.run.app"

  tasks      = "https://cloudtasks.googleapis.com/v2"
  caller     = urlencode(google_service_account.caller.email)
  parameters = "target=${urlencode(local.url)}&account=${local.caller}&deadline=${local.deadline_seconds}"
}

data "google_project" "this" {
  project_id = var.project
}

resource "google_project_service" "apis" {
  for_each = toset([
    "cloudtasks.googleapis.com",
    "compute.googleapis.com",
    "monitoring.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "servicenetworking.googleapis.com",
    "sqladmin.googleapis.com",
  ])
  service            = each.value
  disable_on_destroy = false
}

output "queue_url" {
  description = "For producers."
  value       = "${local.tasks}/${google_cloud_tasks_queue.messages.id}?${local.parameters}"
}
