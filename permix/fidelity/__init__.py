"""How well a persona is kept: by attribution, by the organism's words, or by judges and PersonaGym's protocol."""
