"""What goes from this repository to an environment: contracts, rights, jobs, checks, and what a run cost."""
