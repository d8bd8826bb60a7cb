"""What a file holds: its headers, its code, and pictures of both."""

from lossy_lightning.inspection.coded_file import CodedFile, open_file
from lossy_lightning.inspection.description import as_text, describe
from lossy_lightning.inspection.example import read_example
from lossy_lightning.inspection.picture import draw, write_page

__all__ = ["CodedFile", "as_text", "describe", "draw", "open_file", "read_example", "write_page"]
