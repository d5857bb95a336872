"""One question a module, answered from the database: read what it takes, compute it with the engine."""
