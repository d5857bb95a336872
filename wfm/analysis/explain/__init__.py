"""Explain one agent's day: classes, rules, stored rows and the payloads they were read from."""
