"""The embedded default: a tiny world and a tiny model that learns it on a laptop."""
