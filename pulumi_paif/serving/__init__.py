"""The components as a Pulumi package: its schema, and the process that serves them to programs in any language."""
