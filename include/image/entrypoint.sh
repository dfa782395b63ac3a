#!/bin/sh
# Starts Airflow in its image. The arguments are an Airflow command, for example `scheduler`, or a command that the Helm
# chart passes: `bash -c …`, `python -m …`, `airflow …`. The chart's probes call this file as /entrypoint.
# If RETAILFLOW_ENV is not set, or its environment cannot be loaded, the script ends with a message. Otherwise Airflow
# would start without any DAG.
set -eu
python -m retailflow.environments
case "${1-}" in
  airflow | bash | python) exec "$@" ;;
  *) exec airflow "$@" ;;
esac
