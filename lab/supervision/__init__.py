"""Who starts, watches and stops the lab's processes. What the lab consists of is in ``lab.boot``."""
