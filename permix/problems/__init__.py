"""Verifiable problems: sources, curation, contamination."""
