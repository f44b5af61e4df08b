"""A stand-in for Proxmox VE: what it promises, and something that behaves so."""
