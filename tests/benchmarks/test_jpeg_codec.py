"""The comparison of the codec's ways, on one small image."""

from benchmarks.speed import jpeg_codec


def test_uses_are_timed_with_compiled_code_and_with_tensors():
    for name, images, compiled, tensors, ratio in jpeg_codec.uses(1, 16, 1):
        assert name
        assert images == "1 of 16x16"
        assert min(map(float, (compiled, tensors, ratio))) >= 0
