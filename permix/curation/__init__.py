"""What the curation of problems and of personas share: reading rows, setting them aside, comparing text, storing."""
