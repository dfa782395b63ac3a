"""Delivery to an environment: contracts, grants, jobs, checks, and the estimated cost of runs."""
