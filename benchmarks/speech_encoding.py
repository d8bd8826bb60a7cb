"""How many times faster than real time Lyra encodes Speech Commands, by the clock, from files to the cache.

LOSSY_DATA=... python benchmarks/speech_encoding.py [--workers 2] [--bit-rate 9200]

The loader's workers encode, each with one thread; starting them, reading the files and writing the cache counts.
"""

import argparse
import tempfile
import time

from lossy_lightning.codecs import Lyra
from lossy_lightning.data import SpeechCommands


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--bit-rate", type=int, default=9200)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = SpeechCommands(Lyra(bit_rate=arguments.bit_rate), num_workers=arguments.workers, cache_dir=folder)
        start = time.perf_counter()
        data.prepare_data()
        taken = time.perf_counter() - start
    clips = sum(len(data.signals(split)) for split in ("train", "val", "test"))  # of one second
    print(f"{clips} s of sound in {taken:.1f} s: {clips / taken:.0f} times real time")


if __name__ == "__main__":
    main()
