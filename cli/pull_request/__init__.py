"""What a change does to each environment: which it touches, recorded without secrets, and told in one comment."""
