"""Pulumi provider plugin `vcf`: what VMware Cloud Foundation offers and pulumi-vsphere cannot express."""
