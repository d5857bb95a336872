"""Keep a score up to date while the day goes on."""
