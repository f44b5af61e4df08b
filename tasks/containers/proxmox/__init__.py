"""Containers on Proxmox VE."""
