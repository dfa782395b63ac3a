"""`./retailflow docs`: every table and column, its meaning and what it is made from, as pages that need no network."""

from retailflow_local.dictionary.site import run

__all__ = ["run"]
