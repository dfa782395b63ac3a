"""`./retailflow docs`: pages on the meaning and the sources of every table and column. They need no network."""

from retailflow_local.dictionary.site import run

__all__ = ["run"]
