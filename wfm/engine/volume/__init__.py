"""Measure volume, service level and occupancy per queue and interval; link the legs of one call."""
