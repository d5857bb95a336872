"""Explain slices: the rule that decided each, and one instant of one agent."""
