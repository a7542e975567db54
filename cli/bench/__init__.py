"""How long the toolkit takes, and how much memory, beside a raw Pulumi program that makes the same resources."""
