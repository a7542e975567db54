"""What was changed behind the program's back: found, told in one issue, undone or kept."""
