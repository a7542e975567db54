"""How many licenses machines and containers need, and whether they are there: plain arithmetic, free of any engine.

Packs, `./paif policy licenses` and pull-request comments count by it. docs/licenses.md says where its rules come from.
"""
