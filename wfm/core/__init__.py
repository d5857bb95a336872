"""What every other package of wfm needs: how time is represented."""
