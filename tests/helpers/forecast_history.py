"""A history to forecast from."""

from datetime import date, timedelta

from helpers.drawn_volume import draw

WEEK = timedelta(days=7)


HISTORY = draw(date(2024, 1, 1), 120, queues=2)
