# The ledger: Cloud SQL for PostgreSQL, with a private address only.

resource "google_compute_network" "network" {
  name                    = var.name
  auto_create_subnetworks = false
  depends_on              = [google_project_service.apis]
}

# Cloud Run takes several addresses for each instance: https://cloud.google.com/run/docs/configuring/vpc-direct-vpc
resource "google_compute_subnetwork" "functions" {
  name                     = "functions"
  network                  = google_compute_network.network.id
  region                   = var.region
  ip_cidr_range            = "10.20.0.0/24"
  private_ip_google_access = true
}

resource "google_compute_global_address" "services" {
  name          = "${var.name}-services"
  network       = google_compute_network.network.id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
}

resource "google_service_networking_connection" "services" {
  network                 = google_compute_network.network.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.services.name]
}

resource "google_sql_database_instance" "ledger" {
  name                = var.name
  region              = var.region
  database_version    = "POSTGRES_17"
  deletion_protection = true

  settings {
    edition = "ENTERPRISE"
    tier    = "db-custom-2-8192"
    # A standby with synchronous replication: https://cloud.google.com/sql/docs/postgres/high-availability
    availability_type = "REGIONAL"
    disk_autoresize   = true
    # Only connectors, which IAM checks, get through.
    connector_enforcement = "REQUIRED"

    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
    }

    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.network.id
      ssl_mode        = "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
    }

    database_flags {
      name  = "max_connections"
      value = tostring(local.connections)
    }
  }

  depends_on = [google_service_networking_connection.services]
}

resource "google_sql_database" "ledger" {
  name     = "consumer"
  instance = google_sql_database_instance.ledger.name
}

resource "google_sql_user" "app" {
  name                = "app"
  instance            = google_sql_database_instance.ledger.name
  password_wo         = var.database_password
  password_wo_version = var.passwords_version
}

# Of this instance only: https://cloud.google.com/sql/docs/postgres/iam-conditions
resource "google_project_iam_member" "connect" {
  project = var.project
  role    = "roles/cloudsql.client"
  member  = google_service_account.function.member
  condition {
    title = "ledger of ${var.name}"
    expression = join(" && ", [
      "resource.name == 'projects/${var.project}/instances/${google_sql_database_instance.ledger.name}'",
      "resource.service == 'sqladmin.googleapis.com'",
    ])
  }
}
