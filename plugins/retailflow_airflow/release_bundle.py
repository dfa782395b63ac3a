"""The DAG bundle whose version is the release of the jobs, so that a DAG run keeps its release to the end.

Airflow records the bundle's version when it makes a DAG run and hands it to each task of that run. The DAG files are
always those of this image: the version only chooses the folder whose scripts and wheel the tasks submit.
"""

import os

from airflow.dag_processing.bundles.base import BundleVersion
from airflow.dag_processing.bundles.local import LocalDagBundle

from retailflow.release import VARIABLE, newest


class ReleaseBundle(LocalDagBundle):
    """The DAGs folder. A task's process and the DAG processor get the release by the variable RETAILFLOW_RELEASE."""

    supports_versioning = True

    def initialize(self) -> None:
        os.environ[VARIABLE] = self.version or newest()
        if self.version:
            # Airflow removes the folder of a version that nobody has used for a while, and fails where there is none.
            (self.versions_dir / self.version).mkdir(parents=True, exist_ok=True)
        super().initialize()

    def refresh(self) -> None:
        os.environ[VARIABLE] = newest()

    def get_current_version(self) -> BundleVersion:
        return BundleVersion(version=newest())
