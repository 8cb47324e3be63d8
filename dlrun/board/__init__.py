"""The board: a folder of runs and sweeps in a browser, live while they train."""
