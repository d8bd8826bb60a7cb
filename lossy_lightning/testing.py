"""The codec contract as one function, for our codecs and for yours."""

import atexit
import copy
import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lossy_lightning.core import Codec, CodeSpec, FileCodec, FileInfo, InputError, TrainableCodec


def mean_squared_error(signal: Tensor, decoded: Tensor) -> float:
    """Mean of the squared differences of samples."""
    return float(F.mse_loss(decoded.double(), signal.double()))


def check_codec(
    codec: Codec,
    shape: tuple[int, ...],
    signals: Tensor | None = None,
    distortion: Callable[[Tensor, Tensor], float] = mean_squared_error,
    max_distortion: float | None = None,
) -> None:
    """Check that a codec keeps the contract of `Codec`.

    - ``encode`` leaves its input as it is.
    - Codes are of an integer dtype, and of the shape and range that ``spec`` says, for odd sizes too.
    - `CodeSpec.split` takes codes apart into the fields of the spec, and `CodeSpec.join` puts them together again; all
      values count for the container's bits but those that are absent.
    - ``steps`` has one positive float32 for each channel of the fields that it names.
    - Leading batch dimensions commute with ``encode`` and ``decode``, but for what ``codec.exact`` lets them change.
    - ``decode(code, shape)`` restores shape and dtype of the signal; ``round_trip`` does what both do.
    - Encoding the decoded signal gives the code again, if ``codec.idempotent``.
    - File codecs: bytes to code to bytes is exact; the headers of a file tell shape and grid; whole codes and windows
      of them are read into rows; a file of no bytes is an error of its own.
    - The distortion is at most ``max_distortion``.
    - ``encode`` is deterministic; the codec can be pickled; ``spec`` depends on the constructor alone.
    - Equal codecs have equal fingerprints, in another process too; other arguments or tensors change it.

    The other process is spawned, so a script must call this under ``if __name__ == "__main__":``.

    Args:
        codec: The codec; if it is trainable and not fitted yet, it is fitted to the signals.
        shape: Of a signal, without batch.
        signals: ``(N, *shape)`` with N >= 2; by default seeded noise, uint8, or int16 if the shape has two axes
            (channels, samples).
        distortion: Of a signal and its decoded form.
        max_distortion: Greatest allowed distortion; None: no limit.

    Raises:
        ValueError: If the codec is none, or the signals are not two or more of that shape.
        AssertionError: If the codec breaks a clause; the message says which and how.

    Example:
        >>> from lossy_lightning.codecs import PCM
        >>> if __name__ == "__main__":
        ...     check_codec(PCM(), (3, 9, 7), max_distortion=0)
    """
    if not isinstance(codec, Codec):
        example = f"{codec.__name__}()" if isinstance(codec, type) else "PCM()"
        raise InputError(f"codec is a Codec that was made, such as {example}; got {codec!r}")
    signals = _noise(shape) if signals is None else signals
    if len(signals) < 2 or tuple(signals.shape[1:]) != tuple(shape):
        raise InputError(f"signals must be two or more of shape {tuple(shape)}; got {tuple(signals.shape)}")
    if isinstance(codec, TrainableCodec) and not codec.fitted:
        codec.fit([signals])
    _check_input_kept(codec, signals)
    for cropped in (signals, _odd(signals)):
        _check_code(codec, cropped)
        _check_fields(codec, cropped)
        _check_batches(codec, cropped)
        _check_decoded(codec, cropped)
        if isinstance(codec, FileCodec):
            _check_bytes(codec, cropped)
            _check_rows(codec, cropped)
    _check_distortion(codec, signals, distortion, max_distortion)
    _check_spec(codec, shape)
    _check_copies(codec, signals)
    _check_fingerprint(codec)


def _noise(shape: tuple[int, ...]) -> Tensor:
    dtype = torch.int16 if len(shape) == 2 else torch.uint8
    info, generator = torch.iinfo(dtype), torch.Generator().manual_seed(0)
    return torch.randint(info.min, info.max + 1, (4, *shape), dtype=dtype, generator=generator)


def _odd(signals: Tensor) -> Tensor:
    """The signals less their last sample along each axis."""
    for axis in range(2, signals.ndim):
        signals = signals.narrow(axis, 0, max(1, signals.shape[axis] - 1))
    return signals


def _check_input_kept(codec: Codec, signals: Tensor) -> None:
    given = signals.clone()
    codec.encode(given)
    assert torch.equal(given, signals), "encode must not change the signal that it is given"


def _check_code(codec: Codec, signals: Tensor) -> None:
    code, spec = codec.encode(signals), codec.spec(tuple(signals.shape[1:]))
    expected = (len(signals), *spec.shape)
    assert torch.equal(code, codec.encode(signals)), "encode must be deterministic"
    assert not code.is_floating_point(), f"encode must give an integer dtype; got {code.dtype}"
    assert tuple(code.shape) == expected, f"encode must give the shape {expected} of the spec; got {tuple(code.shape)}"
    try:
        spec.check(code)
    except ValueError as error:
        raise AssertionError(f"the code leaves its spec: {error}") from error


def _check_fields(codec: Codec, signals: Tensor) -> None:
    code, spec = codec.encode(signals), codec.spec(tuple(signals.shape[1:]))
    parts = spec.split(code)
    assert torch.equal(spec.join(parts), code), "the spec's join must undo its split of a code"
    for field in spec.fields:
        cells = field.cells or (1,) * len(spec.grid)
        grid = tuple(1 if field.constant else size * cell for size, cell in zip(code.shape[2:], cells, strict=True))
        expected = (len(code), len(field.low), *grid)
        got = tuple(parts[field.name].shape)
        assert got == expected, f"split must give field {field.name!r} the shape {expected}; got {got}"
    bits, most = spec.container_bits(code), spec.num_bits
    absent = [parts[field.name] == field.absent for field in spec.fields if field.absent is not None]
    right = bits <= most if any(bool(values.any()) for values in absent) else bits == most
    assert bool(right.all()), f"a code must have the {most} bits of its spec, less what is absent; got {bits.tolist()}"
    _check_steps(codec, spec)


def _check_steps(codec: Codec, spec: CodeSpec) -> None:
    steps = codec.steps()
    if steps is None:
        return
    named = [field for field in spec.fields if field.name in steps]
    assert named, f"steps must name fields of the spec, {[field.name for field in spec.fields]}; got {list(steps)}"
    for field in named:
        values = steps[field.name]
        got, want = (values.dtype, tuple(values.shape)), (torch.float32, (len(field.low),))
        assert got == want, f"steps of field {field.name!r} must be of dtype and shape {want}; got {got}"
        assert bool((values > 0).all()), f"steps of field {field.name!r} must be above 0; got {values.tolist()}"
        assert field.steps_from is None, f"field {field.name!r} takes its steps from another, so steps must not name it"


def _check_batches(codec: Codec, signals: Tensor) -> None:
    code, spec = codec.encode(signals), codec.spec(tuple(signals.shape[1:]))
    single = torch.stack([codec.encode(signal) for signal in signals])
    nested = codec.encode(signals[None])[0]
    assert _alike(codec, spec, code, single), "encode must give a batch the codes of its signals one by one"
    assert _alike(codec, spec, code, nested), "encode must take any number of batch dimensions"


def _alike(codec: Codec, spec: CodeSpec, code: Tensor, other: Tensor) -> bool:
    """Whether codes of the same signals, batched otherwise, are as alike as the codec says."""
    mine, theirs = spec.split(code), spec.split(other)
    near = all(_most(mine[field.name], theirs[field.name]) <= 1 for field in spec.fields if field.ordinal)
    near = near and int((code != other).sum()) <= max(1, code.numel() // 100)
    return torch.equal(code, other) or (near and not codec.exact)


def _most(values: Tensor, others: Tensor) -> int:
    return int((values.long() - others.long()).abs().max())


def _check_decoded(codec: Codec, signals: Tensor) -> None:
    shape = tuple(signals.shape[1:])
    code = codec.encode(signals)
    decoded = codec.decode(code, shape)
    assert decoded.shape == signals.shape, f"decode must give the shape {shape}; got {tuple(decoded.shape[1:])}"
    assert decoded.dtype == signals.dtype, f"decode must give {signals.dtype}, the signal's; got {decoded.dtype}"
    single = torch.stack([codec.decode(one, shape) for one in code])
    same = torch.equal(decoded, single) or (_most(decoded, single) <= 1 and not codec.exact)
    assert same, "decode must give a batch the signals of its codes one by one"
    batched = codec.decode(code, tuple(signals.shape))
    assert torch.equal(decoded, batched), "decode must take the signal's shape with its batch dimensions too"
    steps = _most(codec.round_trip(signals), decoded)
    assert steps <= (decoded.dtype == torch.int16), (
        f"round_trip must give decode(encode(signal), signal.shape), 16-bit sound within one step; {steps} steps differ"
    )
    if codec.idempotent:
        again = codec.encode(codec.decode(code))  # not cropped, so that no edge is padded anew
        changed = int((again != code).sum())
        assert not changed, f"encode(decode(code)) must be the code if idempotent; {changed} values differ"


def _check_bytes(codec: FileCodec, signals: Tensor) -> None:
    shape = tuple(signals.shape[1:])
    for code in codec.encode(signals):
        data = codec.write(code, shape)
        read, read_shape = codec.read(data)
        assert torch.equal(read, code), "read(write(code)) must be the code"
        assert read_shape == shape, f"read must give the signal's shape {shape}; got {read_shape}"
        assert codec.write(read, read_shape) == data, "write(read(data)) must be the same bytes"


def _check_rows(codec: FileCodec, signals: Tensor) -> None:
    shape, codes = tuple(signals.shape[1:]), codec.encode(signals)
    files = [*(codec.write(code, shape) for code in codes), b""]
    *infos, bad = codec.measure(files)
    wanted = [FileInfo(shape, tuple(codes.shape[2:]))] * len(codes)
    assert infos == wanted, f"measure must give {wanted[0]} for each file; got {infos}"
    assert isinstance(bad, ValueError), f"measure must give the ValueError of a file of no bytes; got {bad}"
    halves = tuple(slice(size // 2, size) for size in codes.shape[2:])
    for window in (tuple(slice(0, size) for size in codes.shape[2:]), halves):
        expected = codes[(slice(None), slice(None), *window)]
        # Channels last in memory, as rows of batches are.
        size = (len(files), *expected.shape[2:], codes.shape[1])
        rows = torch.empty(size, dtype=codes.dtype).movedim(-1, 1)
        *errors, bad_row = codec.read_into(files, list(rows), [window] * len(files))
        again = torch.empty(size, dtype=codes.dtype).movedim(-1, 1)[:-1]
        measured = [info for info in infos if isinstance(info, FileInfo)]
        errors += codec.read_into(files[:-1], list(again), [window] * len(measured), infos=measured)
        assert errors == [None] * 2 * len(codes), f"read_into must read good files beside a bad one; got {errors}"
        assert isinstance(bad_row, ValueError), f"read_into must give the ValueError of a bad file; got {bad_row}"
        assert torch.equal(rows[:-1], expected), f"read_into must put the window {window} of each code into its row"
        assert torch.equal(again, expected), "read_into must read the same of files that were measured before"


def _check_distortion(
    codec: Codec, signals: Tensor, distortion: Callable[[Tensor, Tensor], float], most: float | None
) -> None:
    if most is not None:
        got = distortion(signals, codec.decode(codec.encode(signals), tuple(signals.shape[1:])))
        assert got <= most, f"the distortion must be at most {most}; got {got}"


def _check_spec(codec: Codec, shape: tuple[int, ...]) -> None:
    fresh = type(codec)(**codec._arguments())
    assert fresh.spec(shape) == codec.spec(shape), "spec must depend on the constructor's arguments alone, not on data"


def _check_copies(codec: Codec, signals: Tensor) -> None:
    code = codec.encode(signals)
    try:
        twin = pickle.loads(pickle.dumps(codec))
    except Exception as error:
        raise AssertionError(f"a codec must be picklable, for the loader's workers: {error}") from error
    assert torch.equal(code, twin.encode(signals)), "a pickled codec must encode as the original does"


def _check_fingerprint(codec: Codec) -> None:
    mine, twin = codec.fingerprint(), copy.deepcopy(codec).fingerprint()
    assert mine == twin, f"equal codecs must have equal fingerprints; got {mine} and {twin}"
    for name, value in codec._arguments().items():
        other = copy.deepcopy(codec)
        if _alter(other, name, value):
            assert other.fingerprint() != mine, f"the fingerprint must change with the argument {name}; got {mine}"
    if isinstance(codec, TrainableCodec):
        other = copy.deepcopy(codec)
        tensors = [value for value in other.state_dict().values() if isinstance(value, Tensor)]
        for tensor in tensors:
            tensor.copy_(tensor.logical_not() if tensor.dtype == torch.bool else tensor + 1)
        assert not tensors or other.fingerprint() != mine, (
            f"the fingerprint must change with the fitted tensors; got {mine}"
        )
    try:
        theirs = _other_process().submit(_fingerprint, pickle.dumps(codec), sys.path, dict(os.environ)).result()
    except BrokenExecutor:
        _other_process.cache_clear()  # the next codec has a new one
        raise
    assert mine == theirs, f"the fingerprint must be the same in another process; got {mine} and {theirs}"


@cache
def _other_process() -> ProcessPoolExecutor:
    """One for all codecs that are checked: importing torch takes longer than all checks of a small codec."""
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    atexit.register(pool.shutdown)
    return pool


def _fingerprint(pickled: bytes, path: list[str], environment: dict[str, str]) -> str:
    sys.path[:] = path  # modules and folders of models may have changed since the process began
    os.environ.update(environment)
    codec: Codec = pickle.loads(pickled)
    return codec.fingerprint()


def _alter(codec: Codec, name: str, value: Any) -> bool:
    """Set an argument's attribute to another value; whether that was possible."""
    match value:
        case bool():
            setattr(codec, name, not value)
        case int() | float() | Tensor():
            setattr(codec, name, value + 1)
        case str():
            setattr(codec, name, value + "'")
        case tuple() | list():
            setattr(codec, name, (*value, 1))
        case _:
            return False
    return True
