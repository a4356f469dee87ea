"""energy-etl: smart-meter and EV telemetry from dumps into PostgreSQL or TimescaleDB, exactly once."""

__version__ = "0.1.0"
