"""Data files of ondol.vocab_prune; read them through `importlib.resources`."""
