"""PersonaGym's protocol (arXiv 2407.18416): questions in character, replies, and judges who score them."""
