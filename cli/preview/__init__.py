"""What the engine says of a preview, or of a refresh that only looks, read for people and free of secrets."""
