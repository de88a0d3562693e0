"""Measures a bundle on this machine and draws what it found; `ondol bench` is its command."""
