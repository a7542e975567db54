"""What the launcher offers beyond plain Pulumi: it wraps the engine and never hides it."""
