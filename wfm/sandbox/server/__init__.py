"""The server of the sandbox: its app, clock, faults and controls."""
