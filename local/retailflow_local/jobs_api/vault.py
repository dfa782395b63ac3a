"""Secret scopes from a JSON file `{scope: {key: value}}`, and the redaction of their values in output."""

import base64
import json
from pathlib import Path

from retailflow_local.jobs_api.errors import missing

_SHORTEST_REDACTED = 4  # a shorter value would black out half of any log


class Vault:
    """The secret scopes. Every request reads the file again, so that a rotated secret takes effect at once.

    Raises:
        PermissionError: others on this machine can read the file.
    """

    def __init__(self, path: Path | None, token: str) -> None:
        self._path, self._token = path, token
        if path and path.exists() and path.stat().st_mode & 0o077:
            raise PermissionError(f"the secrets file {path} can be read by others; run: chmod 600 {path}")

    def _scopes(self) -> dict[str, dict[str, str]]:
        return json.loads(self._path.read_text()) if self._path and self._path.exists() else {}

    def scopes(self) -> list[str]:
        return sorted(self._scopes())

    def keys(self, scope: str) -> list[str]:
        scopes = self._scopes()
        if scope not in scopes:
            raise missing(f"Scope {scope} does not exist!")
        return sorted(scopes[scope])

    def get(self, scope: str, key: str) -> str:
        """Return the value in base64, as the REST API does."""
        if key not in self.keys(scope):
            raise missing(f"Secret does not exist with scope: {scope} and key: {key}")
        return base64.b64encode(self._scopes()[scope][key].encode()).decode()

    def redact(self, text: str) -> str:
        values = {value for keys in self._scopes().values() for value in keys.values()} | {self._token}
        for value in sorted(values, key=len, reverse=True):  # a value may be part of a longer one
            if len(value) >= _SHORTEST_REDACTED:
                text = text.replace(value, "[REDACTED]")
        return text
