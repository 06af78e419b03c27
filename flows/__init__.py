"""Prefect flows: the order of things, nothing else. One file a flow."""
