"""What a dump is and what `ingest` would do with it: everything but the database."""
