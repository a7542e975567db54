"""Supervisor namespaces as vCenter has them: their lists, what changes in them, and the names in them."""
