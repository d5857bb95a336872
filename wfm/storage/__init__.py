"""The DuckDB database: opening and migrating it, and reading and writing its tables."""
