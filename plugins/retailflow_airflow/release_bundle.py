"""A DAG bundle whose version is the release of the jobs, so that a DAG run keeps its release to the end.

Airflow records the bundle's version when it creates a DAG run, and passes it to each task of that run. The DAG files
are always those of this image: the version only selects the folder whose scripts and wheel the tasks submit.
"""

import os

from airflow.dag_processing.bundles.base import BundleVersion
from airflow.dag_processing.bundles.local import LocalDagBundle

from retailflow.release import VARIABLE, newest


class ReleaseBundle(LocalDagBundle):
    """The DAGs folder. It passes the release to a task or the DAG processor in the variable RETAILFLOW_RELEASE."""

    supports_versioning = True

    def initialize(self) -> None:
        os.environ[VARIABLE] = self.version or newest()
        if self.version:
            # Airflow removes the folder of a version that was not used for a while, and fails if it does not exist.
            (self.versions_dir / self.version).mkdir(parents=True, exist_ok=True)
        super().initialize()

    def refresh(self) -> None:
        os.environ[VARIABLE] = newest()

    def get_current_version(self) -> BundleVersion:
        return BundleVersion(version=newest())
