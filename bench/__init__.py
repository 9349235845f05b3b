"""What the engine costs, measured; each file is run by `make bench BENCH=<its name>`."""
