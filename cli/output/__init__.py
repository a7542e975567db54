"""What a person or a program gets to read: the console, the sheet of each persona, and nothing of what is secret."""
