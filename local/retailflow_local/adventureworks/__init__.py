"""The public AdventureWorks data set as RetailFlow's feeds, and an independent count of what it holds."""

from retailflow_local.adventureworks.converter import AdventureWorks

__all__ = ["AdventureWorks"]
