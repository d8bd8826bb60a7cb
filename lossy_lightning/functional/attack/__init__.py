"""Attacks that stay on the data's own grid, and checks of what they find."""
