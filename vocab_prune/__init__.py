"""Cut a multilingual vocabulary down to the pieces that the wanted languages use."""
