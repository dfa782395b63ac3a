"""Readers see audited versions of GOLD."""
