"""Check and complete what scoring starts from: frames, logins, schedule, state timeline, clocks."""
