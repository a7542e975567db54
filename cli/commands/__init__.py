"""The commands, a file for each group of them: their options, and how what they find is shown."""
