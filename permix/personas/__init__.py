"""Personas: schema, library, how they mix into training prompts."""
