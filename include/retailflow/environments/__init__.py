"""Environments: the settings of a laptop, dev, stg and prod. Each has one validated YAML file in this folder.

No file contains a secret: a `*_secret` setting is the name of a secret in `secret_scope`. Jobs read the secrets.
"""

import os
from datetime import date
from importlib import resources
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import yaml
from pydantic import Field, ValidationError, model_validator

from retailflow.compute import Compute, Serverless
from retailflow.strict import LOADER, Strict

SELECTOR = "RETAILFLOW_ENV"

SOURCES_VARIABLE = "RETAILFLOW_SOURCES_URL"  # the origin of a laptop's simulated sources; their port can be chosen

SecretName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-]{1,128}$")]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\- ]{1,127}$")]


class SettingsError(ValueError):
    """An environment is not chosen or its file is wrong. The message names the file, the key and the allowed values."""


class ConnectionString(Strict):
    kind: Literal["connection_string"]
    connection_string_secret: SecretName


class ServicePrincipal(Strict):
    kind: Literal["service_principal"]
    account_url: str = Field(pattern=r"^https://[a-z0-9]{3,24}\.blob\.core\.windows\.net$")
    tenant_id_secret: SecretName
    client_id_secret: SecretName
    client_secret_secret: SecretName


Credential = Annotated[ConnectionString | ServicePrincipal, Field(discriminator="kind")]


class Raw(Strict):
    """The RAW container: `root` is its URI for Spark; the jobs themselves reach it with a credential.

    credential: for every job. It can read, list and create blobs, but not delete them.
    eraser: for the erasure jobs, which delete blobs. Without it no customer can be erased.
    """

    root: str = Field(pattern=r"^abfss?://[a-z0-9\-]{3,63}@[a-z0-9]{3,24}\.dfs\.core\.windows\.net$")
    credential: Credential
    eraser: Credential | None = None

    @property
    def container(self) -> str:
        return self.root.partition("://")[2].partition("@")[0]


class Source(Strict):
    """An API that we ingest from.

    part_megabytes: the size of the files that store the pages of a day. A Spark task of BRONZE reads each file. The
        ingestion keeps one file in memory.
    overlap_hours: the last hours of the day before are requested again, because a record may become visible late.
    """

    base_url: str = Field(pattern=r"^https?://[^\s?#]+[^\s?#/]$")
    token_secret: SecretName
    part_megabytes: int = Field(default=64, ge=1, le=128)  # BRONZE rejects larger files
    overlap_hours: int = Field(default=6, ge=0, le=24)


class Sensor(Strict):
    poke_seconds: int = Field(ge=1)
    timeout_hours: int = Field(ge=1, le=20)  # with a longer wait, the next day's run could not start


class Retries(Strict):
    """Retries of an Airflow task. The delay doubles with each retry, up to `max_delay_seconds`."""

    count: int = Field(ge=1)
    delay_seconds: int = Field(ge=1)
    max_delay_seconds: int = Field(ge=1)


class Schedule(Strict):
    """The schedule in UTC, for ingestion dates from `first_date` to `last_date`. Without `last_date` it never ends."""

    cron: str = Field(pattern=r"^\S+( \S+){4}$")
    first_date: date
    last_date: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last_date and self.last_date < self.first_date:
            raise ValueError(f"last_date {self.last_date} is before first_date {self.first_date}")
        return self

    def has(self, ingestion_date: date) -> bool:
        """Return whether the schedule starts a run for that day."""
        return self.first_date <= ingestion_date <= (self.last_date or date.max)


class Environment(Strict):
    """The settings of one environment."""

    name: str = Field(pattern=r"^[a-z][a-z0-9]*$")
    catalog: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    # The account group whose members see restricted columns. For all others restricted columns are NULL.
    restricted_group: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]*$")
    # The group of on-call engineers, who may open every run that Airflow submits. None: only the submitter may.
    on_call_group: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]*$")
    raw: Raw
    secret_scope: SecretName
    sources: dict[str, Source]
    compute: Compute
    warehouse_id: str = Field(pattern=r"^[0-9a-f]{16}$")  # for the UI and the alerts
    readers_warehouse_id: str | None = Field(default=None, pattern=r"^[0-9a-f]{16}$")  # for dashboards
    polling_seconds: int = Field(ge=1)
    run_timeout_minutes: int = Field(ge=1)
    sensor: Sensor
    retries: Retries
    schedule: Schedule
    # An erasure of at most so many records needs no confirmation.
    erasure_unconfirmed_records: int = Field(default=0, ge=0)
    # The Airflow users responsible for privacy: nobody else may request an erasure. None: everybody may.
    privacy_users: tuple[str, ...] | None = None
    alert_addresses: list[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]]
    docs_url: str | None = Field(default=None, pattern=r"^https://[^\s?#]+[^\s?#/]$")  # of docs/, for mails
    tags: dict[Tag, Tag]

    def unhurried(self) -> Self:
        """Return this environment for jobs without a deadline or a waiting person: serverless compute at STANDARD."""
        if not isinstance(self.compute, Serverless):
            return self
        return self.model_copy(update={"compute": self.compute.model_copy(update={"performance_target": "STANDARD"})})


def environment_names() -> tuple[str, ...]:
    """Return the names of all environments, sorted."""
    files = resources.files(__name__).iterdir()
    return tuple(sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")))


def load_environment(name: str | None = None) -> Environment:
    """Return the environment of this name. Without a name, the variable RETAILFLOW_ENV names it. There is no default.

    Raises:
        SettingsError: no environment is named, the name is unknown, or its file is wrong.
    """
    name = name or os.environ.get(SELECTOR)
    if not name:
        raise SettingsError(f"{SELECTOR} is not set: set it to one of {', '.join(environment_names())}.")
    if name not in environment_names():
        raise SettingsError(
            f"There is no environment {name!r}: give one of {', '.join(environment_names())} (or set {SELECTOR} to it)."
        )
    found = parse_environment(name, resources.files(__name__).joinpath(f"{name}.yaml").read_text("utf-8"))
    if name == "local" and (origin := os.environ.get(SOURCES_VARIABLE)):
        moved = {
            source: one.model_copy(update={"base_url": origin + urlsplit(one.base_url).path})
            for source, one in found.sources.items()
        }
        return found.model_copy(update={"sources": moved})
    return found


def parse_environment(name: str, text: str) -> Environment:
    """Return the environment in the text of `<name>.yaml`. Raises: SettingsError where the text is invalid."""
    file = f"environments/{name}.yaml"
    try:
        settings = yaml.load(text, LOADER)
    except yaml.YAMLError as error:
        raise SettingsError(f"{file} is not YAML: {' '.join(str(error).split())}.") from error
    try:
        environment = Environment.model_validate(settings)
    except ValidationError as error:
        raise SettingsError(f"{file}: {'; '.join(map(_sentence, error.errors()))}.") from error
    if environment.name != name:
        raise SettingsError(f"{file}: name: is {environment.name!r}, allowed is only {name!r}, the name of the file.")
    return environment


def _sentence(error: Any) -> str:
    key = ".".join(map(str, error["loc"])) or "top level"
    return f"{key}: {error['msg'].removeprefix('Value error, ')}"
