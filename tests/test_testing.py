"""The contract passes on right codecs, and each clause of it fails on a codec that breaks this clause alone."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F

from lossy_lightning.codecs import PCM, VQ, Decoded
from lossy_lightning.core import (
    Codec,
    CodeSpec,
    Field,
    FileCodec,
    TrainableCodec,
)
from lossy_lightning.testing import check_codec, mean_squared_error

SHAPE = (3, 8, 6)


class Raw(Codec):
    """Right; most wrong codecs differ from it in one thing."""

    idempotent = True

    def __init__(self, step=1, table=None, tag=""):
        self.step = step
        self.table = table
        self.tag = tag

    def encode(self, signal):
        return signal

    def decode(self, code, shape=None):
        return code

    def spec(self, shape):
        return CodeSpec.uniform(shape, 0, 255, ordinal=True)


class Offset(TrainableCodec):
    """Right: adds a fitted number modulo 256."""

    idempotent = True

    def __init__(self):
        super().__init__()
        self.register_buffer("offset", torch.zeros(1, dtype=torch.uint8))
        self.register_buffer("is_fitted", torch.zeros(1, dtype=torch.uint8))

    @property
    def fitted(self):
        return bool(self.is_fitted)

    def fit(self, signals):
        self.offset += max(batch.max() for batch in signals)
        self.is_fitted += 1
        return self

    def encode(self, signal):
        return signal + self.offset

    def decode(self, code, shape=None):
        return code - self.offset

    def spec(self, shape):
        return CodeSpec.uniform(shape, 0, 255, ordinal=True)


class Bytes(FileCodec):
    """Right: halves of pixels in a file that starts with the shape."""

    idempotent = True
    extensions = (".bytes",)
    signal_shape = (3, None, None)
    pitch = (1, 1)

    def encode(self, signal):
        return signal // 2

    def decode(self, code, shape=None):
        return code * 2

    def spec(self, shape):
        return CodeSpec.uniform(shape, 0, 127, ordinal=True)

    def read(self, data):
        if len(data) < 3:
            raise ValueError("no shape")
        shape = tuple(data[:3])
        return torch.tensor(list(data[3:]), dtype=torch.uint8).view(shape), shape

    def write(self, code, shape):
        return bytes(shape) + bytes(code.flatten().tolist())


def noise(*shape, dtype=torch.uint8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    if dtype.is_floating_point:
        return torch.randn(shape, generator=generator, dtype=dtype)
    info = torch.iinfo(dtype)
    return torch.randint(info.min, info.max + 1, shape, generator=generator, dtype=dtype)


@pytest.fixture
def same_process(monkeypatch):
    """Spares a test the seconds that another process takes to import torch."""
    monkeypatch.setattr("lossy_lightning.testing.ProcessPoolExecutor", lambda count, _: ThreadPoolExecutor(count))


@pytest.mark.parametrize(
    ("codec", "signals"),
    [(Decoded(VQ((2, 2), 8)), noise(9, 1, 9, 7)), (Bytes(), noise(2, *SHAPE))],
    ids=["package", "own"],
)
def test_right_codecs_pass(codec, signals):
    check_codec(codec, tuple(signals.shape[1:]), signals)


@pytest.mark.usefixtures("same_process")
@pytest.mark.parametrize(
    "codec", [PCM(), Decoded(PCM()), Raw(), Raw(table=torch.arange(3)), Offset(), Bytes()], ids=lambda c: repr(c)[:20]
)
def test_right_codecs_pass_on_noise(codec):
    check_codec(codec, SHAPE)


@pytest.mark.usefixtures("same_process")
def test_the_noise_of_two_axes_is_sound():
    check_codec(PCM(16), (1, 33), max_distortion=0)


@pytest.mark.usefixtures("same_process")
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("size", [(50,), (9, 7)])
@pytest.mark.parametrize("channels", [1, 2])
def test_vq_passes(dtype, size, channels):
    block = (3,) * len(size)
    check_codec(VQ(block, 8), (channels, *size), noise(9, channels, *size, dtype=dtype))


@pytest.mark.usefixtures("same_process")
def test_an_unfitted_codec_is_fitted_and_a_fitted_one_left_alone():
    codec = Offset()
    check_codec(codec, SHAPE)
    offset = int(codec.offset)
    assert codec.fitted
    check_codec(codec, SHAPE, noise(2, *SHAPE) // 4)
    assert int(codec.offset) == offset


def test_mean_squared_error_does_not_wrap_around():
    assert mean_squared_error(torch.tensor([0, 255]).byte(), torch.tensor([255, 255]).byte()) == 255**2 / 2


def refuse(codec, message, shape=SHAPE, **kwargs):
    with pytest.raises(AssertionError, match=message):
        check_codec(codec, shape, **kwargs)


# Codes: dtype, shape, range, odd sizes.


class FloatCode(Raw):
    def encode(self, signal):
        return signal.float()


class OneRowLess(Raw):
    def encode(self, signal):
        return signal[..., 1:, :]


class OutOfRange(Raw):
    def spec(self, shape):
        return CodeSpec.uniform(shape, 0, 250, ordinal=True)


class EvenOnly(Raw):
    """Right for even sizes; pads odd ones, and its spec does not know."""

    def encode(self, signal):
        return torch.cat([signal, signal[..., -1:]], -1) if signal.shape[-1] % 2 else signal


class DecodesOddSizesPadded(EvenOnly):
    def spec(self, shape):
        return super().spec((*shape[:-1], shape[-1] + shape[-1] % 2))


def test_codes_are_integers():
    refuse(FloatCode(), "integer dtype; got torch.float32")


class Batched(Raw):
    """Values that the number of signals moves: the first of each code, by ``far``, and ``more`` of them."""

    exact = False
    far, more = 1, 0

    def encode(self, signal):
        code = super().encode(signal).clone()
        if signal.ndim == 3:
            code.flatten()[: 1 + self.more].clamp_(max=255 - self.far).add_(self.far)
        return code


class FarFromExact(Batched):
    far = 2


class MuchMoved(Batched):
    more = 3


@pytest.mark.usefixtures("same_process")
def test_what_is_not_exact_may_move_a_rounding():
    check_codec(Batched(), SHAPE)


@pytest.mark.parametrize("codec", [FarFromExact(), MuchMoved()], ids=lambda value: type(value).__name__)
def test_what_is_not_exact_is_so_within_bounds(codec):
    refuse(codec, "a batch the codes of its signals one by one")


def test_what_is_exact_moves_no_rounding(monkeypatch):
    monkeypatch.setattr(Batched, "exact", True)
    refuse(Batched(), "a batch the codes of its signals one by one")


def test_codes_have_the_shape_of_the_spec():
    refuse(OneRowLess(), r"shape \(4, 3, 8, 6\) of the spec; got \(4, 3, 7, 6\)")


def test_codes_have_the_range_of_the_spec():
    refuse(OutOfRange(), "leaves its spec: channel 0 of field 'code' ranges from 0 to 250; got")


class Fielded(Codec):
    """Right: pixels by four, the first of each channel once, and marks of bright places that others lack."""

    idempotent = True

    def encode(self, signal):
        height, width = signal.shape[-2:]
        pixels = F.pad(signal.short(), (0, width % 2, 0, height % 2))
        first = pixels[..., :1, :1]
        marks = (pixels[..., :1, ::2, ::2] > 127).short() * 8 - 1
        spec = self.spec(tuple(signal.shape[-3:]))
        return spec.join({"pixels": pixels, "first": first, "marks": marks})

    def decode(self, code, shape=None):
        pixels = self.spec((3, None, None)).split(code)["pixels"].to(torch.uint8)
        return pixels if shape is None else pixels[..., : shape[-2], : shape[-1]]

    def spec(self, shape):
        pixels = Field("pixels", (0,) * 3, (255,) * 3, ordinal=True, cells=(2, 2))
        first = Field("first", (0,) * 3, (255,) * 3, ordinal=True, constant=True)
        marks = Field("marks", (0,), (7,), ordinal=False, absent=-1)
        return CodeSpec([pixels, first, marks], [None if size is None else -(-size // 2) for size in shape[1:]])

    def steps(self):
        return {"pixels": torch.ones(3), "chroma": torch.ones(5)}


class NotConstant(Fielded):
    def encode(self, signal):
        code = super().encode(signal)
        code[..., 12, 0, 0] ^= 1
        return code


class ForeignSteps(Fielded):
    def steps(self):
        return {"code": torch.ones(3)}


class FewSteps(Fielded):
    def steps(self):
        return {"pixels": torch.ones(1)}


class NoSteps(Fielded):
    def steps(self):
        return {"first": torch.zeros(3)}


class DoubleSteps(Fielded):
    def spec(self, shape):
        spec = super().spec(shape)
        return CodeSpec([spec.fields[0]._replace(steps_from="first"), *spec.fields[1:]], spec.grid)


@pytest.mark.usefixtures("same_process")
def test_codes_of_several_fields_pass():
    check_codec(Fielded(), SHAPE, max_distortion=0)


def test_constant_fields_are_constant():
    refuse(NotConstant(), "leaves its spec: field 'first' is one value over the whole grid of a code; got several")


@pytest.mark.parametrize(
    ("codec", "message"),
    [
        (ForeignSteps(), r"must name fields of the spec, \['pixels', 'first', 'marks'\]; got \['code'\]"),
        (
            FewSteps(),
            r"'pixels' must be of dtype and shape \(torch.float32, \(3,\)\); got \(torch.float32, \(1,\)\)",
        ),
        (NoSteps(), "steps of field 'first' must be above 0"),
        (DoubleSteps(), "takes its steps from another"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_steps_are_those_of_fields(codec, message):
    refuse(codec, message)


def test_odd_sizes_are_encoded():
    refuse(EvenOnly(), r"shape \(4, 3, 7, 5\) of the spec; got \(4, 3, 7, 6\)")


def test_odd_sizes_are_decoded():
    refuse(DecodesOddSizesPadded(), r"decode must give the shape \(3, 7, 5\); got \(3, 7, 6\)")


# Batches.


class SubtractsBatchMinimum(Raw):
    def encode(self, signal):
        return signal - signal.amin((0, -1, -2), keepdim=True) if signal.ndim == 4 else signal


class FlipsNestedBatches(Raw):
    def encode(self, signal):
        return signal.flip(1) if signal.ndim == 5 else signal


class DecodesBatchesFlipped(Raw):
    def decode(self, code, shape=None):
        return code.flip(0) if code.ndim == 4 else code

    idempotent = False


def test_batches_commute_with_encode():
    refuse(SubtractsBatchMinimum(), "the codes of its signals one by one")


def test_nested_batches_commute_with_encode():
    refuse(FlipsNestedBatches(), "any number of batch dimensions")


def test_batches_commute_with_decode():
    refuse(DecodesBatchesFlipped(), "the signals of its codes one by one")


# Decoding.


class DecodesFloats(Raw):
    def decode(self, code, shape=None):
        return code.float()


class DecodesTransposed(Raw):
    def decode(self, code, shape=None):
        return code.transpose(-1, -2)


class Drifts(Raw):
    def decode(self, code, shape=None):
        return code + 1


class DriftsHonestly(Drifts):
    idempotent = False


def test_decode_restores_the_shape():
    refuse(DecodesTransposed(), r"decode must give the shape \(3, 8, 6\); got \(3, 6, 8\)")


def test_decode_restores_the_dtype():
    refuse(DecodesFloats(), "decode must give torch.uint8, the signal's; got torch.float32")


@pytest.mark.usefixtures("same_process")
def test_idempotent_codecs_are():
    refuse(Drifts(), "must be the code if idempotent; 576 values differ")
    check_codec(DriftsHonestly(), SHAPE)


@pytest.mark.usefixtures("same_process")
def test_the_distortion_has_a_limit():
    check_codec(Bytes(), SHAPE, max_distortion=0.6)
    refuse(Bytes(), r"distortion must be at most 0\.4; got 0\.[45]", max_distortion=0.4)


def test_the_distortion_can_be_the_users_own():
    def largest(signal, decoded):
        return float((signal.int() - decoded.int()).abs().max())

    refuse(Bytes(), r"at most 0\.9; got 1\.0", max_distortion=0.9, distortion=largest)


# Files.


class ReadsWrongCode(Bytes):
    def read(self, data):
        code, shape = super().read(data)
        return code.flip(-1), shape


class ReadsWrongShape(Bytes):
    def read(self, data):
        code, shape = super().read(data)
        return code, (*shape[:-1], shape[-1] + 1)


class WritesTheTime(Bytes):
    """Puts a number behind the code that is another at each writing."""

    def read(self, data):
        return super().read(data[:-8])

    def write(self, code, shape):
        return super().write(code, shape) + random.randbytes(8)


class WritesSevenRows(Bytes):
    def write(self, code, shape):
        return super().write(code[:, :7], (shape[0], 7, shape[2]))


class MeasuresOneMore(Bytes):
    def measure(self, files):
        found = super().measure(files)
        return [info if isinstance(info, ValueError) else info._replace(grid=(9, 9)) for info in found]


class ReadsTheBeginning(Bytes):
    """Right for whole codes."""

    def read_into(self, files, rows, windows=None, lenient=False, num_threads=1, infos=None):
        starts = [[slice(0, part.stop - part.start) for part in window] for window in windows]
        return super().read_into(files, rows, starts, lenient, num_threads, infos)


class EndsAtBadFiles(Bytes):
    def read_into(self, files, rows, windows=None, lenient=False, num_threads=1, infos=None):
        for data, row, window in zip(files, rows, windows, strict=True):
            row.copy_(self.read(data)[0][(slice(None), *window)])
        return [None] * len(files)


class ForgetsBadFiles(Bytes):
    def read_into(self, files, rows, windows=None, lenient=False, num_threads=1, infos=None):
        super().read_into(files, rows, windows)
        return [None] * len(files)


def test_headers_of_files_tell_shape_and_grid():
    refuse(MeasuresOneMore(), r"measure must give FileInfo.*grid=\(8, 6\)\) for each file; got .*grid=\(9, 9\)")


def test_windows_of_files_are_read():
    refuse(ReadsTheBeginning(), r"the window \(slice\(4, 8, None\), slice\(3, 6, None\)\) of each code into its row")


def test_bad_files_are_told_apart():
    refuse(ForgetsBadFiles(), "read_into must give the ValueError of a bad file; got None")
    with pytest.raises(ValueError, match="no shape"):
        check_codec(EndsAtBadFiles(), SHAPE)


def test_files_give_the_code_back():
    refuse(ReadsWrongCode(), r"read\(write\(code\)\) must be the code")
    refuse(WritesSevenRows(), r"read\(write\(code\)\) must be the code")


def test_files_give_the_shape_back():
    refuse(ReadsWrongShape(), r"signal's shape \(3, 8, 6\); got \(3, 8, 7\)")


def test_files_are_written_again_byte_by_byte():
    refuse(WritesTheTime(), r"write\(read\(data\)\) must be the same bytes")


# Determinism, pickling, the spec.


class Dithers(Raw):
    def encode(self, signal):
        return signal + torch.randint_like(signal, 2)


class HoldsALambda(Raw):
    def __init__(self):
        super().__init__()
        self.function = lambda signal: signal


class ForgetsInPickling(Raw):
    offset = 0

    def __init__(self):
        super().__init__()
        self.offset = 7

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "offset"}

    def encode(self, signal):
        return signal + self.offset

    def decode(self, code, shape=None):
        return code - self.offset


class SpecOfTheData(Offset):
    def spec(self, shape):
        return CodeSpec.uniform(shape, 0, int(self.is_fitted) + 254, ordinal=True)


def test_encode_is_deterministic():
    refuse(Dithers(), "encode must be deterministic")


def test_codecs_can_be_pickled():
    refuse(HoldsALambda(), "must be picklable")


def test_a_pickled_codec_encodes_as_before():
    refuse(ForgetsInPickling(), "a pickled codec must encode as the original does")


def test_the_spec_does_not_depend_on_data():
    refuse(SpecOfTheData(), "spec must depend on the constructor's arguments alone")


# Fingerprints.


class AddressAsFingerprint(Raw):
    def fingerprint(self):
        return str(id(self))


class ClassAsFingerprint(Raw):
    def fingerprint(self):
        return "Raw"


class OneArgumentForgotten(Raw):
    forgotten = "step"

    def fingerprint(self):
        return str([str(value) for name, value in self._arguments().items() if name != self.forgotten])


class ArgumentsAsFingerprint(Offset):
    def fingerprint(self):
        return repr(self)


class HashAsFingerprint(Raw):
    """Python salts the hashes of text in each process."""

    def fingerprint(self):
        return str(hash(repr(self)))


def test_equal_codecs_have_equal_fingerprints():
    refuse(AddressAsFingerprint(), "equal codecs must have equal fingerprints")


@pytest.mark.parametrize("forgotten", ["step", "table", "tag"])
def test_the_fingerprint_tells_arguments_apart(forgotten):
    codec = OneArgumentForgotten(table=torch.arange(3))
    codec.forgotten = forgotten
    refuse(codec, f"must change with the argument {forgotten}")


@pytest.mark.parametrize("value", [True, 1.5, (1, 2), [1, 2]])
def test_the_fingerprint_tells_any_values_apart(value):
    refuse(ClassAsFingerprint(step=value), "must change with the argument step")


def test_the_fingerprint_tells_fitted_tensors_apart():
    refuse(ArgumentsAsFingerprint(), "must change with the fitted tensors")


def test_the_fingerprint_is_the_same_in_another_process(monkeypatch):
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    refuse(HashAsFingerprint(), "the same in another process")


class Overwriting(PCM):
    """Sets the signal that it is given to zero."""

    idempotent = False

    def encode(self, signal):
        signal.zero_()
        return signal.clone()


def test_a_codec_that_overwrites_its_input():
    with pytest.raises(AssertionError, match="encode must not change the signal"):
        check_codec(Overwriting(), (1, 8, 8), max_distortion=0)


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (4, 1, 9, 8)])
def test_signals_of_another_number_or_shape(shape):
    with pytest.raises(ValueError, match=r"two or more of shape \(1, 8, 8\); got"):
        check_codec(PCM(), (1, 8, 8), signals=torch.zeros(shape, dtype=torch.uint8))
