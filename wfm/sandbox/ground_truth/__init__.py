"""What really happened in the simulated centre, as tables and as classified time."""
