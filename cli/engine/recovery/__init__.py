"""What a run that was cut off left behind, and what makes the next one go on: checkpoints, locks, clones, releases."""
