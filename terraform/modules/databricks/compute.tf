# Serverless compute needs none of these resources. They are for `compute: {profile: pool}` and for readers of GOLD.
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

# The settings that a cluster of the jobs may have. The jobs may create no other cluster, so they need `policy_id`.
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

# Programs send few queries. Their own warehouse stops after a minute, and they never wait for a reader's query.
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

# The release's job of the masks runs as the deployer, on the same compute as the other jobs.
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

# Airflow uses the jobs' principal too, for the queries of its page, its alerts and dbt.
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
    for_each = setsubtract(keys(var.group_ids), ["platform_admin"]) # administrators have the right anyway

    content {
      group_name       = var.principals[access_control.value]
      permission_level = "CAN_USE"
    }
  }
}
