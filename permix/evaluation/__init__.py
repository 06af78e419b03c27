"""What asks a model, and the scorecard that its answers become; stability, fidelity and statistics stand below."""
