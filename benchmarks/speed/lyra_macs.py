"""Multiply-accumulates of Lyra's encoder and decoder for a second of sound, counted in its published models.

LOSSY_DATA=... python -m benchmarks.speed.lyra_macs
"""

import os
from pathlib import Path

from ai_edge_litert.interpreter import Interpreter

from lossy_lightning.codecs import Lyra
from lossy_lightning.codecs.pretrained._tflite import convolution_macs

FRAMES = 50  # a second
SECOND = (1, 16_000)


def main() -> None:
    for bit_rate in (3200, 6000, 9200):
        macs = Lyra(bit_rate=bit_rate).encoding_macs(SECOND)
        print(f"encoder, {bit_rate} bit/s: {macs.total():,} MACs a second; by bit width: {dict(macs)}")
    decoder = convolution_macs(Interpreter(str(Path(os.environ["LOSSY_DATA"], "lyra_v2", "lyragan.tflite"))))
    print(f"decoder: {FRAMES * decoder.total():,} MACs a second")


if __name__ == "__main__":
    main()
