"""Nextiva's Enhanced Call Logs over the simulated centre."""
