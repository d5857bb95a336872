"""Find what nobody declared: outages, gaps in feeds, states without a mapping."""
