"""Pictures and tables of scorecards."""
