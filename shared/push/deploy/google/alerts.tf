# The alerts. Metrics: https://cloud.google.com/monitoring/api/metrics_gcp

resource "google_monitoring_notification_channel" "operators" {
  display_name = "Operators of ${var.name}"
  type         = "email"
  labels = {
    email_address = var.alert_email
  }
}

locals {
  queues     = "resource.type = \"cloud_tasks_queue\" AND resource.labels.queue_id"
  of_queue   = "${local.queues} = \"${google_cloud_tasks_queue.messages.name}\""
  of_letters = "${local.queues} = \"${google_cloud_tasks_queue.dead_letters.name}\""
  of_service = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"${var.name}\""
  server     = "${var.project}:${google_sql_database_instance.ledger.name}"
  of_server  = "resource.type = \"cloudsql_database\" AND resource.labels.database_id = \"${local.server}\""
  errors     = "metric.labels.response_code_class = one_of(\"4xx\", \"5xx\")"

  alerts = {
    dead_letters = {
      title     = "messages are in the dead-letter queue"
      filter    = "${local.of_letters} AND metric.type = \"cloudtasks.googleapis.com/queue/depth\""
      aligner   = "ALIGN_MAX"
      reducer   = "REDUCE_SUM"
      threshold = 0
      duration  = "0s"
      severity  = "ERROR"
    }
    depth = {
      title     = "the queue is long"
      filter    = "${local.of_queue} AND metric.type = \"cloudtasks.googleapis.com/queue/depth\""
      aligner   = "ALIGN_MEAN"
      reducer   = "REDUCE_SUM"
      threshold = 10000
      duration  = "600s"
      severity  = "WARNING"
    }
    # Milliseconds from the schedule time of an attempt until it began. Cloud Tasks has no metric of the oldest task.
    delay = {
      title     = "messages wait for five minutes"
      filter    = "${local.of_queue} AND metric.type = \"cloudtasks.googleapis.com/queue/task_attempt_delays\""
      aligner   = "ALIGN_PERCENTILE_99"
      reducer   = "REDUCE_MAX"
      threshold = 300000
      duration  = "300s"
      severity  = "WARNING"
    }
    # 409: no delayed copy, or no permit in time. 401: the caller is refused. 429: more calls than the service takes.
    errors = {
      title     = "calls are answered with 4xx or 5xx"
      filter    = "${local.of_service} AND metric.type = \"run.googleapis.com/request_count\" AND ${local.errors}"
      aligner   = "ALIGN_RATE"
      reducer   = "REDUCE_SUM"
      threshold = 0.1
      duration  = "300s"
      severity  = "WARNING"
    }
    connections = {
      title     = "PostgreSQL is short of connections"
      filter    = "${local.of_server} AND metric.type = \"cloudsql.googleapis.com/database/postgresql/num_backends\""
      aligner   = "ALIGN_MAX"
      reducer   = "REDUCE_SUM"
      threshold = local.connections * 0.9
      duration  = "0s"
      severity  = "WARNING"
    }
  }
}

resource "google_monitoring_alert_policy" "alerts" {
  for_each              = local.alerts
  display_name          = "${var.name}: ${each.value.title}"
  severity              = each.value.severity
  combiner              = "OR"
  notification_channels = [google_monitoring_notification_channel.operators.id]

  conditions {
    display_name = each.value.title
    condition_threshold {
      filter          = each.value.filter
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.threshold
      duration        = each.value.duration
      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = each.value.aligner
        cross_series_reducer = each.value.reducer
      }
    }
  }
}
