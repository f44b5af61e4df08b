"""What another installation of Vikunja is made of, and the configuration that stands for it.

Everything here reads. How one is laid out is in `layouts`, what its settings become in `settings`.
"""
