"""Pure Polars: what a batch of rows goes through before the database sees it. No I/O, no clock."""
