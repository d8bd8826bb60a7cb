"""The polyphase filter bank of MPEG audio: 32 subbands."""

import torch
import torch.nn.functional as F
from torch import Tensor

#: First half and middle of the synthesis window, times 2**16 (ISO 11172-3, table 3-B.3).
_WINDOW = (
    0, -1, -1, -1, -1, -1, -1, -2, -2, -2, -2, -3, -3, -4, -4, -5, -5, -6, -7, -7, -8, -9, -10, -11, -13, -14, -16,
    -17, -19, -21, -24, -26, -29, -31, -35, -38, -41, -45, -49, -53, -58, -63, -68, -73, -79, -85, -91, -97, -104,
    -111, -117, -125, -132, -139, -147, -154, -161, -169, -176, -183, -190, -196, -202, -208, 213, 218, 222, 225,
    227, 228, 228, 227, 224, 221, 215, 208, 200, 189, 177, 163, 146, 127, 106, 83, 57, 29, -2, -36, -72, -111, -153,
    -197, -244, -294, -347, -401, -459, -519, -581, -645, -711, -779, -848, -919, -991, -1064, -1137, -1210, -1283,
    -1356, -1428, -1498, -1567, -1634, -1698, -1759, -1817, -1870, -1919, -1962, -2001, -2032, -2057, -2075, -2085,
    -2087, -2080, -2063, 2037, 2000, 1952, 1893, 1822, 1739, 1644, 1535, 1414, 1280, 1131, 970, 794, 605, 402, 185,
    -45, -288, -545, -814, -1095, -1388, -1692, -2006, -2330, -2663, -3004, -3351, -3705, -4063, -4425, -4788, -5153,
    -5517, -5879, -6237, -6589, -6935, -7271, -7597, -7910, -8209, -8491, -8755, -8998, -9219, -9416, -9585, -9727,
    -9838, -9916, -9959, -9966, -9935, -9863, -9750, -9592, -9389, -9139, -8840, -8492, -8092, -7640, -7134, 6574,
    5959, 5288, 4561, 3776, 2935, 2037, 1082, 70, -998, -2122, -3300, -4533, -5818, -7154, -8540, -9975, -11455,
    -12980, -14548, -16155, -17799, -19478, -21189, -22929, -24694, -26482, -28289, -30112, -31947, -33791, -35640,
    -37489, -39336, -41176, -43006, -44821, -46617, -48390, -50137, -51853, -53534, -55178, -56778, -58333, -59838,
    -61289, -62684, -64019, -65290, -66494, -67629, -68692, -69679, -70590, -71420, -72169, -72835, -73415, -73908,
    -74313, -74630, -74856, -74992, 75038,
)  # fmt: skip
_SUBBANDS = 32
_TAPS = 16  # blocks of 32 that the window spans


def polyphase_synthesis(subbands: Tensor) -> Tensor:
    """Sound of subband samples; differentiable.

    Args:
        subbands: ``(..., slots, 32)``, float, a row for each time slot.

    Returns:
        ``(..., 32 * slots)``: what a slot adds begins with its own 32 samples, and is loudest 240 samples later.

    Source: ISO 11172-3 (1993), 2.4.3.2.2 and table 3-B.3.

    Example:
        >>> polyphase_synthesis(torch.zeros(2, 36, 32)).shape
        torch.Size([2, 1152])
    """
    slots = subbands.shape[-2]
    vectors = F.pad(subbands @ _matrixing(subbands), (0, 0, _TAPS - 1, 0))
    window = _window(subbands)
    sound = torch.zeros_like(subbands)
    for tap in range(_TAPS):
        half = _SUBBANDS * (tap % 2)
        part = vectors[..., _TAPS - 1 - tap : _TAPS - 1 - tap + slots, half : half + _SUBBANDS]
        sound = sound + part * window[tap]
    return sound.flatten(-2)


def polyphase_analysis(sound: Tensor) -> Tensor:
    """Subband samples of a sound, as encoders make them; differentiable.

    `polyphase_synthesis` gives the sound back nearly (white noise to -84 dB), later by 481 samples.

    Args:
        sound: ``(..., 32 * slots)``, float; what is before it is silence.

    Returns:
        ``(..., slots, 32)``, a row for each time slot.

    Source: ISO 11172-3 (1993), annex C.1.3; its window is the synthesis window over 32.

    Example:
        >>> polyphase_analysis(torch.zeros(2, 1152)).shape
        torch.Size([2, 36, 32])
    """
    # The transpose of the synthesis, whose first tap is 0, so that the last sample of a slot comes with the next one.
    slots = sound.shape[-1] // _SUBBANDS
    late = F.pad(sound, (_SUBBANDS * (_TAPS - 1) + 1, -1))
    blocks = torch.unflatten(late, -1, (-1, _SUBBANDS))
    window = _window(sound) / _SUBBANDS
    halves = [torch.zeros_like(blocks[..., :slots, :]) for _ in range(2)]
    for tap in range(_TAPS):
        halves[tap % 2] = halves[tap % 2] + blocks[..., tap : tap + slots, :] * window[tap]
    return torch.cat(halves, -1) @ _matrixing(sound).mT


def _window(like: Tensor) -> Tensor:
    """The synthesis window ``(16, 32)``; its second half mirrors the first, and its lobes change sign each 64."""
    half = torch.tensor(_WINDOW, dtype=torch.float64)
    mirrored = half[1:256].flip(0) * (1 - 2 * (torch.arange(257, 512) % 64 != 0).double())
    return (torch.cat([half, mirrored]) / 2**16).view(_TAPS, _SUBBANDS).to(like)


def _matrixing(like: Tensor) -> Tensor:
    """Cosines ``(32, 64)`` of subband and sample."""
    subband = torch.arange(_SUBBANDS, dtype=torch.float64, device=like.device) + 0.5
    sample = torch.arange(2 * _SUBBANDS, dtype=torch.float64, device=like.device) + 16
    return torch.cos(torch.pi / 32 * subband[:, None] * sample).to(like.dtype)
