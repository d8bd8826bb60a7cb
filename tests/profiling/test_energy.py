import pytest

from lossy_lightning.profiling import EnergyTable


def test_operations_and_bytes_add_up():
    table = EnergyTable(mac={8: 0.5, 32: 5.0}, addition=2.0, byte=10.0)
    # 100 x 0.5 for products of up to 8 bits, 10 x 5, 3 x 2; 7 bytes of weights once, 4 of features there and back
    assert table.picojoules({1: 60, 8: 40, 32: 10}, 3, 7, 4) == 50 + 50 + 6 + 70 + 80


def test_a_width_beyond_the_table_is_named():
    with pytest.raises(ValueError, match="products of 8, 16, 32 bits; got 64 bits"):
        EnergyTable().picojoules({64: 1}, 0, 0, 0)
    assert EnergyTable().picojoules({64: 0}, 0, 0, 0) == 0
