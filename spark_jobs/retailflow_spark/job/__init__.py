"""The start of a job, and the record of its run."""
