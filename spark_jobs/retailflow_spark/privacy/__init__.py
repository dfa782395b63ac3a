"""Erasure of customers: from RAW, from every table, and from the files of older versions (docs/adr/0007)."""
