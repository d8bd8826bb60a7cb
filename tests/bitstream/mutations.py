"""Changes of files, at random."""

import random
from collections.abc import Sequence


def mutate(
    data: bytes, generator: random.Random, others: Sequence[bytes], head: int, texts: Sequence[bytes] = ()
) -> bytes:
    """One to eight changes: bytes, bits, cuts, insertions, pieces of other files; half of them near the start.

    Args:
        data: A file.
        generator: Of random numbers.
        others: Files that pieces are taken from.
        head: Bytes that are the start.
        texts: What may be inserted, besides random bytes.
    """
    changed = bytearray(data)
    for _ in range(generator.randint(1, 8)):
        if not changed:
            return b""
        near = min(head, len(changed)) if generator.random() < 0.5 else len(changed)
        at, kind = generator.randrange(near), generator.randrange(6)
        if kind == 0:
            changed[at] = generator.choice((0, 1, 0x7F, 0x80, 0xFB, 0xFE, 0xFF, generator.randrange(256)))
        elif kind == 1:
            changed[at] ^= 1 << generator.randrange(8)
        elif kind == 2:
            del changed[at : at + generator.randint(1, 20)]
        elif kind == 3:
            made = generator.randbytes(generator.randint(1, 20))
            changed[at:at] = generator.choice(texts) if texts and generator.random() < 0.7 else made
        elif kind == 4:
            other = generator.choice(others)
            start = generator.randrange(len(other))
            changed[at : at + 40] = other[start : start + generator.randint(1, 200)]
        elif generator.random() < 0.3:
            del changed[at:]
    return bytes(changed)
