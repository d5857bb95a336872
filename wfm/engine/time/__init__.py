"""Represent spans of many agents on one integer axis, and states and categories as codes."""
