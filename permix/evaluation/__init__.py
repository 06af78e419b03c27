"""Stability under personas, fidelity to them, and the statistics behind both."""
