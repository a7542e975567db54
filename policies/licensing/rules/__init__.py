"""The rules of the pack `licensing`, a file per subject; their order in the pack is that of pack.py."""
