"""Score every second: classes, exceptions, roll-ups, definitions, and differences between scores."""
