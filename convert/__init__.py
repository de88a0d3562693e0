"""Export a checkpoint to ONNX and GGUF, measure every variant, write a bundle."""
