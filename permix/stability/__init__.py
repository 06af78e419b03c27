"""How little the persona changes whether a problem is solved."""
