"""`./retailflow report`: the local lakehouse on one page of HTML, which opens anywhere without a network."""

from retailflow_local.analytics.page import run

__all__ = ["run"]
