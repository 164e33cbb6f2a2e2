"""Recipes: handlers to copy, one folder each, and the play that shows what a client sees with and without them."""
