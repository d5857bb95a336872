"""Nextiva NCC's API over the simulated centre."""
