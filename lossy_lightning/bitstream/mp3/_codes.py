"""The standard's Huffman codes (ISO 11172-3, table B.7).

A code is complete, so its words in ascending order are told by their lengths alone: each word follows the one before.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Codes of pairs: lengths in base 32, and pairs (x, y) in hexadecimal, both in ascending order of the words. Tables 16
#: to 23 share the code 16, tables 24 to 31 the code 24; 0, 4 and 14 have none.
_PAIRS = {
    1: ("3321", "11011000"),
    2: ("665553331", "220212212011011000"),
    3: ("665553222", "220212212010110100"),
    5: ("8876777766663331", "33233231130330221221022011011000"),
    6: ("7766655554443233", "33032332301331220212212001111000"),
    7: (
        "aaaa99998899899887778888777765664331",
        "554554533544255215510534504333244214414004233203133130221221022011011000",
    ),
    8: (
        "bba9aa999889999888788888888666442332",
        "555445533544255205155134435033244214410440233213310330220220122111011000",
    ),
    9: (
        "998899888877788777766665566554443333",
        "554535535405442552155134435004244233401441233213310330220212212011011000",
    ),
    10: (
        "bbbbbbaaaaaaabba99aa99aa9aa8899aa99aa888999999888888777766664331",
        "77677657756647745665377346555463277264077062453506534417713626255215513443166160055024423304144140233203"
        "133130221221022011011000",
    ),
    11: (
        "aaaaaaabbaa999aaaa8899788888999987887788899888888776677654553332",
        "77677675664774575556653773464554355327726407711770366360442552051562260616615134504333244214410440233213"
        "310330222112022011011000",
    ),
    12: (
        "aa99999998899888888998888899777888888777788777666677655544554333",
        "77677657756647746556377355277246641771077036634554440605266261166035532552155134435004244214334123324003"
        "301331221221022000110110",
    ),
    13: (
        "jjihgggggggggghhffggffffffffffggfggeeffffeeeeeeeeeeeffedeeddeedeedeedeeddeecccddddddcddccddddddddddddccd"
        "dccccddddcddcbccccccccbbbbccbbccbccccbbccbccbccbccaaabbbbbbbbaaaabbabbabbbbaabbaabbbbbb99aaaaabb999aa99a"
        "aaaaaaaaa8999999aa999889999998788887777766664431",
        "fefcfdedffefdfeecfdebffbcedcafe9ecddfacdbeeb9ff9eabddb8ff8ccae9e8e7f7ef7daadbccbf66fe85f9dd9f5e7acbb4ff4"
        "cae6f33f8dd82ff26e9c0fc95eab7dd74ec8d63eb99baa1ff1f0bae5e48c6de3e22e0e1ee1e05dd57cc74d8bb8d49aa96cc63dd3"
        "7b2dd21db75cc5997ac3a7974bd10dd08aa84cc46bb63c2cc25bb5891cc1980cc0b46aa6793bb3885a2ba569a47887947776b21b"
        "b10bb0964a3aa359952aa21aa10a68a0864993395885672992577538836647745665731991099048847246642882183727177155"
        "077036634554266235810880166106605344255205155134435024423314410440233213310330221221022011011000",
    ),
    15: (
        "ddddcddddddcddcccccccccccccccccccccccddbbccccbbbbbbccbbbbbbbbccbbbbbbbbbbbbbbbbbbbbbbbbbccbbbbbbabbbbbba"
        "abbaaaabbaaaaaaabbaaaaabb9aaaaaaaaaaaa9aaaa9aa9aaaaaaaa9999999aa999999aa99999989999999999888899999999888"
        "888998888888998788777788777776776677666555553443",
        "ffeffedfeefdcffcdeedbffbceecddaffabeebcddc9ff9eabddb8ff8cc9ee97ff7addabc6fae0fcbf68ee85f9df57ee7accabbd9"
        "8d4ff43ff3d8e62ff26ef01ff19cc95eabbae57dd74ee48cc83e6dd6e39bb92eaae21ee10ee05dd57cc74d8bd4b89aa96cc63dd3"
        "d22d0d1d7bb7d15cd0c58aa84cc46bb6990c3cc37aa7a6c00bc22c5bb51c8998c14bb46a3b79b397882b5ab2a51bb1b069964aa4"
        "78873aa359952aa21aa10aa068864994399377095885296776929119904884577538836647288218817408805665377346277264"
        "175571077036634554266216066035615344255215510550344324423341140423324003133130221221022011011000",
    ),
    16: (
        "bbbbbbbbabbbbaaaaa8aa9999aghhffggeffeeffeeffffeffed89988deeeeeeeeeeddeeeedeedddeeeeddeedeecddddddddddddd"
        "dcddddddcddccddbcccccccddbccccbccccccccbccbbbbccccccccbccbccbccbccbaabbbbbbaabbaabbbbbbbbabbaaabbaabbaab"
        "ba99aaaaaa999aa9aa998999999998899887788766664431",
        "effedffdcffcbffbaffa9ff9f88f7ff76ff6ff5ff54ff4f3f03fceecdddee9ead9eeedebbecddcdbaeccadda7eaccac97d5ebdf2"
        "2f0f1ff19ebccb8ee89de7bb8dd86ee69cabbae5d74ee48cc83e6dd69bb9aae1d4b8a97bb7d0e30ee05dd57cc74d8b9a6cc63d5c"
        "c50d8aa8994cb67a3c5b891cc09879e22e1ed32dd2d13b97881dc46bc3a72cc2b5c10c4bb46aa6b35aa52bb21bb10bb069964aa4"
        "7887a33a592a9568a1867794495767a21a0aa0399358852992760919919048847538836628824774188180085637736546277264"
        "550717717036634554266216610660533544255251150534435024423314410440233213310330221221022011011000",
    ),
    24: (
        "888888887887788777777777777889bbbbbbbbbbbbbbbbbbbbbbbbbbbb4bbbbccbabbaaaabbaaaabbaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaabbaaaaaaaaaaaaabbabba9aaaabba99aa9aaaa99aa999999999999999999999999999999999999aa999aa899"
        "888888888888899888888997887777788776677655664444",
        "effedffdcffcbffbfaaf9ff9f88f7ff76ff65ff54ff43ff32ff2f11ff00feedeedceecddbeebcddcaeeabddbcc9ee9addabccb8e"
        "e89dd97ee7acffcabb8dd80ee00de66e9cc95ebae5ab7dd7e48cc84e2e3e6dd6e39bb9aae21ee15dd57cc74d8bb8d49aa96cc63d"
        "d32dd21d7bb7d15cc58aa8994cc46bb6d00c3cc37aa72cc25bb51c8998c14bc00b3bb00a1ab46aa67997a00990b3882b5ab2a51b"
        "b16996a44a78873aa359952aa2a16886774994399358852967769219914884577538836628821847748108805665170770733727"
        "724664557136634554266216610660355344255215055051344324423314410440233213310330221221022011011000",
    ),
}
#: Codes of four values that are 0 or 1 (v, w, x, y as bits of a hexadecimal digit): tables A and B.
_QUADS = (("6666665555544441", "bfde75963ac21480"), ("4" * 16, "fedcba9876543210"))

#: Bits that follow an absolute value of 15, by table.
LINBITS = np.array([0] * 16 + [1, 2, 3, 4, 6, 8, 10, 13, 4, 5, 6, 7, 8, 9, 11, 13], np.int64)
#: The code of each table of pairs, 0 if it has none: of 0 all values are 0, 4 and 14 are not allowed.
CODE_OF_TABLE = np.array([0, 1, 2, 3, 0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0, 15] + [16] * 8 + [24] * 8, np.int64)


def pair_codes() -> dict[int, NDArray[np.int64]]:
    """Words of each code of pairs: ``(words, 4)`` of word, its length, x and y; sign bits are not in it."""
    return {
        table: np.array([(*word, int(x, 16), int(y, 16)) for word, x, y in _rows(lengths, pairs[::2], pairs[1::2])])
        for table, (lengths, pairs) in _PAIRS.items()
    }


def quad_codes() -> list[NDArray[np.int64]]:
    """Words of tables A and B: ``(16, 3)`` of word, its length, and the four values as bits, v highest."""
    return [np.array([(*word, int(quad, 16)) for word, quad in _rows(*code)]) for code in _QUADS]


def _rows(lengths: str, *symbols: str) -> Iterator[tuple[Any, ...]]:
    """Word and length, and the symbols that they stand for."""
    return zip(_words(lengths), *symbols, strict=True)


def _words(lengths: str) -> list[tuple[int, int]]:
    words, end = [], 0  # as a fraction of 2**32
    for length in (int(digit, 32) for digit in lengths):
        words.append((end >> (32 - length), length))
        end += 1 << (32 - length)
    return words
