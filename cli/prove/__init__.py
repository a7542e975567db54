"""What must hold, tried by making things fail."""
