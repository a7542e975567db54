"""The tools beside Python: which there are (``tools.toml``), how they are obtained, and where they lie.

Only the standard library is used here: this runs before anything is installed.
"""
