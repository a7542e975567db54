"""Policy packs: what the engine must refuse, whoever writes the program."""
