# syntax=docker/dockerfile:1
# Targets: `airflow` is the image of production, from requirements.txt; `workspace` is the local workspace with Airflow
# and the services that replace Azure and Databricks. The base is pinned by tag, because no image registry was available
# when this was written. Add the digest where you build (python:3.11-slim-bookworm@sha256:…).
FROM python:3.11-slim-bookworm AS packages
# The release of the jobs that this image's DAGs submit. New DAG runs use it until their end.
ARG RELEASE
WORKDIR /src
COPY pyproject.toml README.md ./
COPY include include
COPY spark_jobs spark_jobs
COPY plugins plugins
RUN test -n "$RELEASE" && RETAILFLOW_RELEASE="$RELEASE" pip wheel --no-cache-dir --no-deps --wheel-dir /packages . ./plugins

FROM python:3.11-slim-bookworm AS airflow
RUN useradd --uid 50000 --create-home retailflow && install -d -o 50000 /opt/retailflow /opt/airflow
WORKDIR /opt/retailflow
COPY requirements.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements.txt
# dbt has an environment of its own.
COPY include/dbt/pyproject.toml include/dbt/uv.lock /opt/dbt/
RUN pip install --no-cache-dir uv==0.13.9 \
    && UV_PROJECT_ENVIRONMENT=/opt/dbt uv sync --frozen --no-cache --group databricks --project /opt/dbt --python python3.11
COPY --from=packages /packages /packages
RUN pip install --no-cache-dir --no-deps /packages/*.whl
COPY dags dags
COPY include/dbt include/dbt
COPY tests/data tests/data
COPY include/image/webserver_config.py /opt/airflow/
COPY --chmod=755 include/image/entrypoint.sh /entrypoint
# RETAILFLOW_ENV has no default: each environment sets it (docs/DEPLOYMENT.md, Airflow in an environment).
ENV AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/retailflow/dags \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    AIRFLOW__CORE__TASK_SUCCESS_OVERTIME=180 \
    AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST='[{"name": "dags-folder", "classpath": "retailflow_airflow.release_bundle.ReleaseBundle", "kwargs": {}}]' \
    AIRFLOW__COSMOS__ENABLE_TELEMETRY=False \
    RETAILFLOW_CHECKOUT=/opt/retailflow \
    RETAILFLOW_DBT=/opt/dbt/bin/dbt
ARG RELEASE
RUN echo "$RELEASE" > RELEASE
ENV RETAILFLOW_RELEASE_FILE=/opt/retailflow/RELEASE
USER 50000
RUN python -m retailflow.environments dev stg prod
ENTRYPOINT ["/entrypoint"]

FROM python:3.11-slim-bookworm AS workspace
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends postgresql socat tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 50000 --create-home retailflow \
    && install -d -o 50000 /opt/retailflow /opt/retailflow/.local /home/retailflow/.cache
WORKDIR /opt/retailflow
USER 50000
COPY --chown=50000 . .
RUN ./retailflow doctor || test -x .venv/bin/python
ENTRYPOINT ["tini", "--", "./retailflow"]
