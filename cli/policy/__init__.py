"""The policy packs from outside: run by the engine, and their settings checked."""
