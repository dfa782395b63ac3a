"""The public AdventureWorks data set as RetailFlow's feeds, and an independent computation of its revenue."""

from retailflow_local.adventureworks.converter import AdventureWorks

__all__ = ["AdventureWorks"]
