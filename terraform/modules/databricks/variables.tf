variable "name" {
  description = "Project and environment, for example retailflow-dev."
  type        = string
}

variable "environment" {
  description = "dev, stg or prod."
  type        = string
}

variable "account_id" {
  description = "Id of the Databricks account."
  type        = string
}

variable "resource_group_name" {
  description = "Resource group of the workspace."
  type        = string
}

variable "location" {
  description = "Azure region."
  type        = string
}

variable "network" {
  description = "The virtual network that the workspace is injected into."
  type = object({
    id                     = string
    public_subnet          = string
    private_subnet         = string
    public_association_id  = string
    private_association_id = string
  })
}

variable "is_private" {
  description = "Whether the workspace is reachable only through a private endpoint."
  type        = bool
}

variable "private_endpoints" {
  description = "Ids of the private endpoints; the Databricks provider sends no request before they exist."
  type        = map(string)
  default     = {}
}

variable "catalog" {
  description = "Name of the catalog."
  type        = string
}

variable "feeds" {
  description = "Names of the feeds, and of their folders in RAW."
  type        = set(string)
}

variable "grants" {
  description = "The privileges of each role, per securable (catalog, schema.gold, external_location.raw)."
  type        = map(map(list(string)))
}

variable "raw_url" {
  description = "abfss:// address of the RAW container."
  type        = string
}

variable "processed_url" {
  description = "abfss:// address of the container for the catalog's tables."
  type        = string
}

variable "secret_scope" {
  description = "Name of the secret scope that the jobs read."
  type        = string
}

variable "key_vault" {
  description = "The Key Vault behind the secret scope."
  type        = object({ id = string, uri = string })
}

variable "principals" {
  description = "The names for permissions: per role its group; for `jobs` and `deployer` the client id of the service principal."
  type        = map(string)
}

variable "group_ids" {
  description = "Databricks' id of each role's group."
  type        = map(string)
}

variable "service_principal_ids" {
  description = "Databricks' ids of the service principals `jobs` and `deployer`."
  type        = map(string)
}

variable "metastore" {
  description = "Known as soon as the workspace has a metastore; the Databricks provider sends no request before."
  type        = string
  default     = null
}

variable "code_directory" {
  description = "Workspace folder of the releases, without /Workspace."
  type        = string
}

variable "runtime" {
  description = "Databricks Runtime of classic clusters: 18 LTS."
  type        = string
  default     = "18.x-scala2.13"
}

variable "node_type_id" {
  description = "Machine type of the instance pool."
  type        = string
  default     = "Standard_D4ds_v5"
}

variable "most_workers" {
  description = "Maximum number of workers of a job's cluster."
  type        = number
  default     = 8
}

variable "warehouse_size" {
  description = "Size of the readers' SQL warehouse."
  type        = string
}

variable "tags" {
  description = "Tags of every resource, and of the costs of clusters and warehouses."
  type        = map(string)
}
