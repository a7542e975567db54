"""One folder for each simulated system: its operator, its definitions, its data."""
