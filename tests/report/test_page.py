"""The report as a page."""

from lossy_lightning.report.page import _breakable


def test_names_of_settings_break_between_words() -> None:
    assert _breakable("data.codec.bit_width") == "data.<wbr>codec.<wbr>bit_<wbr>width"
    assert _breakable("a<b.c") == "a&lt;b.<wbr>c"
