"""Collecting from phone systems: planning windows, storing what was received, and the health of every feed."""
