"""What a person or a program gets to read: the console, Markdown, and the sheet of each persona."""
