"""Delta tables: the writer, the reader, their schema, their upkeep."""
