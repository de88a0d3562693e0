"""Load a bundle, turn texts into vectors. No torch, no download."""
