# Serverless compute needs nothing here. These are for `compute: {profile: pool}` and for readers of GOLD.
resource "databricks_instance_pool" "jobs" {
  instance_pool_name                    = "${var.name}-jobs"
  node_type_id                          = var.node_type_id
  preloaded_spark_versions              = [var.runtime]
  min_idle_instances                    = 0 # costs nothing while nothing runs
  max_capacity                          = 4 * (var.most_workers + 1)
  idle_instance_autotermination_minutes = 15
  enable_elastic_disk                   = true
  custom_tags                           = var.tags

  azure_attributes {
    availability = "ON_DEMAND_AZURE"
  }
}

# What a cluster of the jobs may be; without the right to make any other, they need `policy_id`.
resource "databricks_cluster_policy" "jobs" {
  name = "${var.name}-jobs"

  definition = jsonencode(merge(
    {
      cluster_type       = { type = "fixed", value = "job" }
      spark_version      = { type = "fixed", value = var.runtime }
      instance_pool_id   = { type = "fixed", value = databricks_instance_pool.jobs.id }
      data_security_mode = { type = "fixed", value = "USER_ISOLATION" }
      num_workers        = { type = "range", minValue = 1, maxValue = var.most_workers }
    },
    { for key, value in var.tags : "custom_tags.${key}" => { type = "fixed", value = value } },
  ))
}

# Programs ask a question now and then; a warehouse of their own stops in a minute and never waits for a reader's query.
resource "databricks_sql_endpoint" "this" {
  for_each = {
    programs = { size = "2X-Small", clusters = 1, minutes = 1 }
    readers  = { size = var.warehouse_size, clusters = 2, minutes = 5 }
  }

  name                      = "${var.name}-${each.key}"
  cluster_size              = each.value.size
  max_num_clusters          = each.value.clusters
  auto_stop_mins            = each.value.minutes
  warehouse_type            = "PRO"
  enable_serverless_compute = true

  tags {
    dynamic "custom_tags" {
      for_each = var.tags

      content {
        key   = custom_tags.key
        value = custom_tags.value
      }
    }
  }
}

# The release's job of the masks runs as the deployer, on the compute that all jobs have.
locals {
  submitters = ["jobs", "deployer"]
}

resource "databricks_permissions" "pool" {
  instance_pool_id = databricks_instance_pool.jobs.id

  dynamic "access_control" {
    for_each = local.submitters

    content {
      service_principal_name = var.principals[access_control.value]
      permission_level       = "CAN_ATTACH_TO"
    }
  }
}

resource "databricks_permissions" "policy" {
  cluster_policy_id = databricks_cluster_policy.jobs.id

  dynamic "access_control" {
    for_each = local.submitters

    content {
      service_principal_name = var.principals[access_control.value]
      permission_level       = "CAN_USE"
    }
  }
}

# The jobs' principal is Airflow's too: its page, its alerts and dbt ask by it.
resource "databricks_permissions" "programs_warehouse" {
  sql_endpoint_id = databricks_sql_endpoint.this["programs"].id

  access_control {
    service_principal_name = var.principals["jobs"]
    permission_level       = "CAN_USE"
  }
}

resource "databricks_permissions" "readers_warehouse" {
  sql_endpoint_id = databricks_sql_endpoint.this["readers"].id

  # A dashboard names its warehouse.
  access_control {
    service_principal_name = var.principals["deployer"]
    permission_level       = "CAN_USE"
  }

  dynamic "access_control" {
    for_each = setsubtract(keys(var.group_ids), ["platform_admin"]) # administrators may anyway

    content {
      group_name       = var.principals[access_control.value]
      permission_level = "CAN_USE"
    }
  }
}
