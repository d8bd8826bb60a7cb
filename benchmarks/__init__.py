"""The commands that make the numbers, tables and pictures of the documentation."""
