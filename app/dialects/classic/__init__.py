"""Recipes that people copy from tutorials, posts and papers, with the quirks that they are copied with."""
