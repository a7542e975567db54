"""Policy pack `naming`: names, labels and tags of everything that a person can see."""
