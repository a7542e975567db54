"""All three packs in one process: the engine starts one plugin and asks it once per resource instead of three times."""
