"""How many times faster than real time Lyra encodes Speech Commands, by the clock, from files to the cache.

LOSSY_DATA=... python -m benchmarks.speed.speech_encoding [--workers 2] [--bit-rate 9200]

The loader's workers encode, each with one thread; starting them, reading the files and writing the cache counts.
"""

import tempfile

from benchmarks.harness import machine, parser, seconds
from lossy_lightning.codecs import Lyra
from lossy_lightning.data import SpeechCommands


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--bit-rate", type=int, default=9200)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = SpeechCommands(Lyra(bit_rate=given.bit_rate), num_workers=given.workers, cache_dir=folder)
        taken = seconds(data.prepare_data)
    clips = sum(len(data.signals(split)) for split in ("train", "val", "test"))  # of one second
    print(f"{clips} s of sound in {taken:.1f} s: {clips / taken:.0f} times real time on {machine()}")


if __name__ == "__main__":
    main()
