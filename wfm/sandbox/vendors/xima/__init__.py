"""Xima's API over the simulated centre."""
