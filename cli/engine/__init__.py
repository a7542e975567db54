"""Running Pulumi: its environment, its stacks and their state, runs that do what was announced, and what they tell."""
