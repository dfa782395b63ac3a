"""How a job starts, and what it records about itself."""
