"""Stack files: read and checked before anything is started, and made for an environment of one's own."""
