"""The Pulumi program, and everything that reads a stack's configuration."""
