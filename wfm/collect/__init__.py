"""Collect from phone systems: which windows to ask for, what to store, and how every feed is."""
