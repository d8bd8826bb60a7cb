"""Multiply-accumulates of Lyra's encoder and decoder for a second of sound, counted in its published models.

LOSSY_DATA=... python -m benchmarks.speed.lyra_macs
"""

from lossy_lightning.codecs import Lyra

SECOND = (1, 16_000)


def main() -> None:
    for bit_rate in (3200, 6000, 9200):
        codec = Lyra(bit_rate=bit_rate)
        encoder = codec.encoding_macs(SECOND)
        print(f"encoder, {bit_rate} bit/s: {encoder.total():,} MACs a second; by bit width: {dict(encoder)}")
    decoder = codec.encoding_macs(SECOND, decoded=True) - encoder
    print(f"decoder: {decoder.total():,} MACs a second; by bit width: {dict(decoder)}")


if __name__ == "__main__":
    main()
