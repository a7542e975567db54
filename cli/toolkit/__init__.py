"""What is asked of the toolkit itself: which tools are there, and what makes a shell complete its commands."""
