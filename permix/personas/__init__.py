"""Personas: schema, library, how they mix into training prompts."""

from permix.personas.schema import NEUTRAL, Persona, PersonaKind
from permix.personas.store import load_personas, save_personas

__all__ = ["NEUTRAL", "Persona", "PersonaKind", "load_personas", "save_personas"]
