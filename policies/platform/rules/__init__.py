"""The rules of the pack `platform`, a file per subject; their order in the pack is that of pack.py."""
