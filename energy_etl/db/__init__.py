"""The database: sessions, schema, queries. Takes a connection and frames, never prints."""
