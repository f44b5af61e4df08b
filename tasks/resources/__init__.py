"""Kinds of things: what they ask of a container, and how what is found differs from them."""
