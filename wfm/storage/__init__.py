"""The DuckDB database: opening it, its schema migrations, and reading and writing its tables."""
