#!/bin/sh
# Starts Airflow in its image: `scheduler`, and what the Helm chart passes: `bash -c …`, `python -m …`, `airflow …`.
# The chart's probes call this file by the name /entrypoint.
# Without RETAILFLOW_ENV, or where its environment cannot be loaded, this ends with a sentence. Airflow would start, and
# load no DAG.
set -eu
python -m retailflow.environments
case "${1-}" in
  airflow | bash | python) exec "$@" ;;
  *) exec airflow "$@" ;;
esac
