"""What the lab's simulated operators share, and the process that runs them all. Each lies in ``lab/simulated``."""
