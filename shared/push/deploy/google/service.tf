# The function as a Cloud Run service.

resource "google_service_account" "function" {
  account_id   = var.name
  display_name = "The function ${var.name}"
}

resource "google_cloud_run_v2_service" "function" {
  name     = var.name
  location = var.region
  # Cloud Tasks of the same project counts as internal: https://cloud.google.com/run/docs/securing/ingress
  ingress             = "INGRESS_TRAFFIC_INTERNAL_ONLY"
  deletion_protection = true

  template {
    service_account = google_service_account.function.email
    # Above the deadline of the function: Cloud Run answers 504 at its own, which slows down the queue.
    timeout                          = "${local.deadline_seconds + 15}s"
    max_instance_request_concurrency = local.concurrency

    scaling {
      min_instance_count = 0
      max_instance_count = local.instances
    }

    vpc_access {
      egress = "PRIVATE_RANGES_ONLY"
      network_interfaces {
        network    = google_compute_network.network.name
        subnetwork = google_compute_subnetwork.functions.name
      }
    }

    # A socket of the Cloud SQL connector, which encrypts and authenticates the connection.
    volumes {
      name = "cloudsql"
      cloud_sql_instance {
        instances = [google_sql_database_instance.ledger.connection_name]
      }
    }

    containers {
      image = var.image

      ports {
        container_port = 8080
      }

      resources {
        limits = {
          cpu    = "1"
          memory = "512Mi"
        }
        # Nothing is processed between requests.
        cpu_idle = true
      }

      volume_mounts {
        name       = "cloudsql"
        mount_path = "/cloudsql"
      }

      startup_probe {
        period_seconds    = 2
        timeout_seconds   = 2
        failure_threshold = 30
        http_get {
          path = "/ready"
        }
      }

      liveness_probe {
        period_seconds    = 10
        timeout_seconds   = 5
        failure_threshold = 3
        http_get {
          path = "/live"
        }
      }

      env {
        name  = "PUSH_PLATFORM"
        value = "cloud-tasks"
      }
      env {
        name  = "QUEUE_URL"
        value = "${local.tasks}/${google_cloud_tasks_queue.messages.id}?${local.parameters}"
      }
      env {
        name  = "DEAD_LETTER_QUEUE_URL"
        value = "${local.tasks}/${google_cloud_tasks_queue.dead_letters.id}?${local.parameters}"
      }
      # IAM lets in only the account that Cloud Tasks authenticates as.
      env {
        name  = "AUTHENTICATED_BY_PLATFORM"
        value = "true"
      }
      env {
        name  = "DEADLINE_SECONDS"
        value = tostring(local.deadline_seconds)
      }
      env {
        name  = "DRAIN_SECONDS"
        value = tostring(local.drain_seconds)
      }
      env {
        name  = "CONCURRENCY"
        value = tostring(local.concurrency)
      }
      env {
        name = "DATABASE_URL"
        value_source {
          secret_key_ref {
            secret  = google_secret_manager_secret.secrets["database-url"].secret_id
            version = google_secret_manager_secret_version.database_url.version
          }
        }
      }
      # send-notification:
      env {
        name = "NOTIFICATION_URL"
        value_source {
          secret_key_ref {
            secret  = google_secret_manager_secret.secrets["notification-url"].secret_id
            version = google_secret_manager_secret_version.notification_url.version
          }
        }
      }
    }
  }

  # An instance that starts before it may read its secrets would fail.
  depends_on = [
    google_project_service.apis,
    google_project_iam_member.connect,
    google_secret_manager_secret_iam_member.read,
  ]
}

resource "google_secret_manager_secret" "secrets" {
  for_each  = toset(["database-url", "notification-url"])
  secret_id = "${var.name}-${each.value}"
  replication {
    auto {}
  }
  depends_on = [google_project_service.apis]
}

resource "google_secret_manager_secret_iam_member" "read" {
  for_each  = google_secret_manager_secret.secrets
  secret_id = each.value.id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.function.member
}

# The host is the folder of the socket, without TLS: the connector encrypts. urlencode writes a space as +, which a URL of
# PostgreSQL keeps as it is.
locals {
  password = replace(urlencode(var.database_password), "+", "%20")
  socket   = urlencode("/cloudsql/${google_sql_database_instance.ledger.connection_name}")
}

resource "google_secret_manager_secret_version" "database_url" {
  secret                 = google_secret_manager_secret.secrets["database-url"].id
  secret_data_wo         = "postgres://app:${local.password}@${local.socket}/${google_sql_database.ledger.name}?sslmode=disable"
  secret_data_wo_version = var.passwords_version
}

# send-notification:
resource "google_secret_manager_secret_version" "notification_url" {
  secret                 = google_secret_manager_secret.secrets["notification-url"].id
  secret_data_wo         = var.notification_url
  secret_data_wo_version = var.passwords_version
}
