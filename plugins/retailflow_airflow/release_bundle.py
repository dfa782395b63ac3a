"""The DAG bundle whose version is the release of the jobs, so that a DAG run keeps its release to the end.

Airflow records the bundle's version when it makes a DAG run and hands it to each task of that run. The DAG files are
always those of this image: the version only chooses the folder whose scripts and wheel the tasks submit.
"""

import os
from hashlib import md5
from typing import Any

from airflow.dag_processing.bundles.base import BundleVersion
from airflow.dag_processing.bundles.local import LocalDagBundle

from retailflow.release import VARIABLE, newest

_FILES = "~"  # after it a version has a digest of the names of the DAG files


class ReleaseBundle(LocalDagBundle):
    """The DAGs folder. A task's process and the DAG processor get the release by the variable RETAILFLOW_RELEASE.

    Airflow looks for new and deleted files only where the version is another one. So while the folder has other files
    than at the start, as on a laptop where somebody writes a DAG, the version has a digest of their names too.
    """

    supports_versioning = True

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._first_names: list[str] | None = None

    def initialize(self) -> None:
        os.environ[VARIABLE] = (self.version or newest()).partition(_FILES)[0]
        if self.version:
            # Airflow removes the folder of a version that nobody has used for a while, and fails where there is none.
            (self.versions_dir / self.version).mkdir(parents=True, exist_ok=True)
        super().initialize()
        self._first_names = self._names()

    def refresh(self) -> None:
        os.environ[VARIABLE] = newest()

    def get_current_version(self) -> BundleVersion:
        names = self._names()
        if self._first_names in (None, names):
            return BundleVersion(version=newest())
        return BundleVersion(version=f"{newest()}{_FILES}{md5(repr(names).encode()).hexdigest()[:8]}")

    def _names(self) -> list[str]:
        return sorted(str(path.relative_to(self.path)) for path in self.path.rglob("*.py"))
