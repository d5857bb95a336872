"""Telphin's API and events over the simulated centre."""
