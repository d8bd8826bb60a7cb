"""The tables that T.81 itself prints."""

import numpy as np

#: Position in a row-major 8x8 block of each zigzag index (T.81 figure A.6), then 63 for runs that go too far.
NATURAL_ORDER = np.full(128, 63, np.uint8)
NATURAL_ORDER[:64] = sorted(range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8))

#: The position of the index before each, from 1 to 127, also if the end of the block has added 128 to it.
PLACE_BEFORE = NATURAL_ORDER[(np.arange(256) - 1) % 128]

_DC_COUNTS = ("00010501010101010100000000000000", "00030101010101010101010000000000")
_AC_COUNTS = ("0002010303020403050504040000017d", "00020102040403040705040400010277")
_AC_SYMBOLS = (
    "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a"
    "3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a929394"
    "95969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8"
    "e9eaf1f2f3f4f5f6f7f8f9fa",
    "000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a262728"
    "292a35363738393a434445464748494a535455565758595a636465666768696a737475767778797a82838485868788898a92"
    "939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7"
    "e8e9eaf2f3f4f5f6f7f8f9fa",
)

#: Huffman tables of T.81 annex K.3 as they stand in a DHT segment: [class][luminance, chrominance], class 0 is DC.
STANDARD_HUFFMAN = tuple(
    tuple(bytes.fromhex(counts + symbols) for counts, symbols in zip(rows, columns, strict=True))
    for rows, columns in ((_DC_COUNTS, (bytes(range(12)).hex(),) * 2), (_AC_COUNTS, _AC_SYMBOLS))
)
