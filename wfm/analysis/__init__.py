"""One module per question: read its inputs from the database and compute the answer with the engine."""
