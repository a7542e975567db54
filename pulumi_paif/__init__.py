"""Pulumi components of a Private AI environment: one file each, usable on their own.

Every component takes a name, typed arguments and resource options; providers for `kubernetes`, `vcf` and, where it
is used, `vsphere` come through the options. Children carry the component's name; outputs are attributes. Mistakes in
arguments are collected and raised together as `ComponentInputError`. Components know the catalogue and nothing of
stacks.
"""
