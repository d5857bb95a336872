"""The vendors' APIs over the simulated centre."""
