"""Frames in, scores out. The engine knows no database, no clock and no setting."""
