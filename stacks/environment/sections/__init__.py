"""The sections of a stack file, one file each."""
