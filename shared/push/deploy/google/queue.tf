# The queues. Cloud Tasks has no dead-letter queue, and deletes a task after max_attempts and max_retry_duration. So both are
# unlimited. The function dead-letters a message after MAX_RECEIVE_COUNT, 14 by default.

resource "google_cloud_tasks_queue" "messages" {
  name     = var.queue
  location = var.region

  rate_limits {
    # What the service takes. Above that, Cloud Run answers 429, which slows down the whole queue.
    max_concurrent_dispatches = local.instances * local.concurrency
    max_dispatches_per_second = 500
  }

  # For tasks whose process died or could not create a delayed copy. The lease of a process that died lasts 30 seconds.
  retry_config {
    max_attempts       = -1
    max_retry_duration = "0s"
    min_backoff        = "10s"
    max_backoff        = "600s"
    max_doublings      = 6
  }

  depends_on = [google_project_service.apis]
}

# Paused: its tasks stay for 31 days (https://cloud.google.com/tasks/docs/quotas), or until an operator deletes or runs them.
resource "google_cloud_tasks_queue" "dead_letters" {
  name          = "${var.queue}-dead-letters"
  location      = var.region
  desired_state = "PAUSED"

  retry_config {
    max_attempts       = -1
    max_retry_duration = "0s"
  }

  depends_on = [google_project_service.apis]
}

# What Cloud Tasks authenticates as.
resource "google_service_account" "caller" {
  account_id   = "${var.name}-caller"
  display_name = "Cloud Tasks, when it calls ${var.name}"
}

resource "google_cloud_run_v2_service_iam_member" "caller" {
  name     = google_cloud_run_v2_service.function.name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.caller.member
}

# Who creates tasks: the producer of messages, and the function itself for delayed copies and dead letters.
resource "google_cloud_tasks_queue_iam_member" "enqueue" {
  for_each = {
    copies       = { queue = google_cloud_tasks_queue.messages.name, member = google_service_account.function.member }
    dead_letters = { queue = google_cloud_tasks_queue.dead_letters.name, member = google_service_account.function.member }
    messages     = { queue = google_cloud_tasks_queue.messages.name, member = "serviceAccount:${var.producer}" }
  }
  name     = each.value.queue
  location = var.region
  role     = "roles/cloudtasks.enqueuer"
  member   = each.value.member
}

# A task with a token of an account can only be created by one that may act as it.
resource "google_service_account_iam_member" "act_as" {
  for_each = {
    function = google_service_account.function.member
    producer = "serviceAccount:${var.producer}"
  }
  service_account_id = google_service_account.caller.name
  role               = "roles/iam.serviceAccountUser"
  member             = each.value
}
