"""When an object is ready: what it says of itself, and what it promises and must really have made."""
