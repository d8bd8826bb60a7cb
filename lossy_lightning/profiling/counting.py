"""What a model costs: multiply-accumulates, table look-ups, parameters, memory; each by bit width and by layer.

A multiply-accumulate is as wide as its wider factor. A factor is as wide as the quantizer that made it declares
(of Brevitas, or of anything with such a `bit_width`), otherwise as wide as its dtype: float32 counts as 32. One of
complex numbers counts as four of real ones; a sparse factor counts the values that it stores.
"""

import warnings
from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchmetrics import Metric

from lossy_lightning.core.arguments import check_module
from lossy_lightning.functional import undisturbed
from lossy_lightning.profiling._recording import Trace
from lossy_lightning.profiling._tracing import trace
from lossy_lightning.profiling.plain import plain_tensors, plain_weights
from lossy_lightning.profiling.profiles import LayerProfile, Lookups, ModelProfile, WeightMemory, total_profile
from lossy_lightning.profiling.widths import declared_bit_width, dtype_bit_width, owners


def profile_layers(model: nn.Module, *inputs: Any) -> list[LayerProfile]:
    """What each layer of a model does in one forward, in the order of `named_modules`.

    The forward runs in evaluation mode, without gradients, and leaves everything as it was (`undisturbed`). A module
    has a profile if it computes, reads or holds anything. What runs between modules, such as a residual addition,
    counts for the module whose `forward` runs it. What quantizers do inside themselves does not count.

    Args:
        model: Any module.
        *inputs: What its `forward` takes, of any nesting.

    Raises:
        ValueError: If lazy modules have no parameters yet, or the model is no module.

    Warns:
        UserWarning: Names the operations whose number of multiply-accumulates is not known, and modules that compute
            outside of torch. `torch.utils.flop_counter.register_flop_formula` makes an operation known.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
        >>> [(row.name, row.macs) for row in profile_layers(model, torch.ones(1, 4))]
        [('0', Counter({32: 12}))]
    """
    check_module("model", model)
    with undisturbed(model, *inputs):
        profile = profile_forward(model, inputs, {})
    if profile.unseen:
        warnings.warn(unseen_message(profile.unseen), stacklevel=2)
    return profile.layers


def profile_forward(model: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> ModelProfile:
    """As `profile_layers`, of a call by position and by name, for callers that have entered `undisturbed`.

    Args:
        model: Any module.
        arguments: What its `forward` takes by position.
        keywords: What it takes by name.

    Returns:
        The profiles of the layers, and the names of what could not be counted, which is not warned of.

    Example:
        >>> from lossy_lightning.functional import undisturbed
        >>> model = nn.Linear(4, 3)
        >>> with undisturbed(model):
        ...     profile_forward(model, (), {"input": torch.ones(1, 4)}).layers[0].macs
        Counter({32: 12})
    """
    result = trace(model, arguments, keywords)
    parameters = _parameters(model, result)
    rows = [
        LayerProfile(
            name,
            type(module).__name__,
            result.shapes.get(name),
            result.macs.get(name, Counter()),
            result.lookups.get(name, Lookups(0, 0)),
            parameters.get(name, Counter()),
            result.features.get(name, Counter()),
        )
        for name, module, owner in owners(model)
        if name == owner
    ]
    shown = [row for row in rows if row.macs or any(row.lookups) or row.parameters or row.features]
    return ModelProfile(shown, frozenset(result.unseen))


def unseen_message(unseen: Iterable[str]) -> str:
    """What to say of operations and modules whose work could not be counted.

    Example:
        >>> unseen_message(["aten::_fft_r2c"]).partition(".")[0]
        'not counted, since their work is not known: aten::_fft_r2c'
    """
    return (
        f"not counted, since their work is not known: {', '.join(sorted(unseen))}. "
        "Make an operation known by torch.utils.flop_counter.register_flop_formula"
    )


def count_macs(model: nn.Module, *inputs: Any) -> Counter[int]:
    """Multiply-accumulates of one forward, by bit width.

    Convolutions, linear layers, recurrent layers, attention and products of matrices count: weights x output
    positions, padding included. Element-wise arithmetic, normalisation, pooling, resampling and softmax are no
    multiply-accumulates. See `profile_layers` for how the model is run and what is warned of.

    Args:
        model: Any module.
        *inputs: What its `forward` takes; the counts are of the whole batch.

    Returns:
        Bit width -> multiply-accumulates.

    Source:
        The counts of Larq's model summaries; a multiply-accumulate's width is that of its wider factor.

    Example:
        >>> count_macs(nn.Conv2d(1, 32, 3), torch.zeros(1, 1, 28, 28))
        Counter({32: 194688})
    """
    return total_profile(profile_layers(model, *inputs)).macs


def count_lookups(model: nn.Module, *inputs: Any) -> Lookups:
    """Rows that table layers read in one forward, and the additions of these rows.

    An `Embedding` reads one row per index. An `EmbeddingBag` also sums the rows (mode "sum" or "mean"), one addition
    per value.

    Args:
        model: Any module.
        *inputs: What its `forward` takes; the counts are of the whole batch.

    Example:
        >>> count_lookups(nn.EmbeddingBag(784, 64, mode="sum"), torch.zeros(1, 49, dtype=torch.long))
        Lookups(rows=49, additions=3136)
    """
    return total_profile(profile_layers(model, *inputs)).lookups


def count_parameters(model: nn.Module) -> Counter[int]:
    """Scalars that a model stores, by bit width.

    Parameters count once, at the width that their quantizer declares, otherwise at their dtype's. A batch norm counts
    two values per channel, affine or not: at inference it is one factor and one summand. Other buffers do not count.
    Packed weights of quantized kernels, constants of frozen TorchScript, and plain attributes named ``weight…`` or
    ``bias…`` count like parameters; plain weights of other names are known to `profile_layers` only, from the forward.
    Metrics of torchmetrics measure the network and are no part of it.

    Args:
        model: Any module.

    Returns:
        Bit width -> scalars.

    Raises:
        ValueError: If lazy modules have no parameters yet.

    Example:
        >>> count_parameters(nn.Sequential(nn.Conv2d(1, 32, 3, bias=False), nn.BatchNorm2d(32, affine=False)))
        Counter({32: 352})
    """
    check_module("model", model)
    with undisturbed(model):
        return sum(_parameters(model).values(), Counter[int]())


def weight_memory(model: nn.Module) -> WeightMemory:
    """Bytes of what `count_parameters` counts: stored at true bit widths, and as if all were float32.

    Example:
        >>> weight_memory(nn.Linear(4, 3))
        WeightMemory(stored=60, float32=60)
    """
    return WeightMemory.of(count_parameters(model))


def feature_memory(model: nn.Module, *inputs: Any) -> int:
    """Bytes of all features of one forward, as if each were kept.

    Features are the outputs of convolution, linear and table layers, normalisation and pooling, and the sums of two
    features of one shape (residual additions), each as wide as the operation that made it: a product as wide as its
    multiply-accumulates, anything else as its values. Activation functions and quantizers work in place. The input
    does not count. Recurrent layers count by what they return, products of features (attention) not at all.

    Args:
        model: Any module.
        *inputs: What its `forward` takes; the memory is of the whole batch.

    Example:
        >>> feature_memory(nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2)), torch.zeros(1, 1, 28, 28))
        108160
    """
    return total_profile(profile_layers(model, *inputs)).feature_memory


def _parameters(model: nn.Module, found: Trace | None = None) -> dict[str, Counter[int]]:
    """Name of a layer -> its scalars by bit width, with what a trace found out about them."""
    found = Trace() if found is None else found
    counts: dict[str, Counter[int]] = {}
    counted: dict[int, Any] = {}  # by id, and held: what is unpacked lives no longer otherwise
    multiplied: dict[int, list[Tensor]] = {}
    for module, tensor in plain_tensors(model.modules()) if found.origins else ():
        if id(tensor) in found.origins:
            multiplied.setdefault(id(module), []).append(tensor)
    counting = {id(module) for _, module in model.named_modules(memo=_metrics(model))}
    # Quantizers come last: some track the weights of a layer beside their own parameters.
    for _, module, owner in sorted(owners(model), key=lambda one: one[0] != one[2]):
        if id(module) not in counting:
            continue
        count = counts.setdefault(owner, Counter())
        normalised = _batch_norm(module)
        if normalised is not None:
            count.update(normalised)
            counted.update((id(weight), weight) for weight in module._parameters.values())
        held = [(name, weight) for name, weight in module._parameters.items() if weight is not None]
        plain = [("", tensor) for tensor in (*plain_weights(module), *multiplied.get(id(module), ()))]
        for name, weight in held + plain:
            if id(weight) not in counted:
                counted[id(weight)] = weight
                quantizer = getattr(module, f"{name}_quant", None)
                width = found.widths.get(id(quantizer)) or declared_bit_width(quantizer)
                count[width or dtype_bit_width(weight)] += weight.numel()
    return counts


def _metrics(model: nn.Module) -> set[nn.Module]:
    """Those that measure the model, whose states are no weights; the model itself may be one."""
    return {module for module in model.modules() if isinstance(module, Metric) and module is not model}


def _batch_norm(module: nn.Module) -> Counter[int] | None:
    """Two values per channel of anything that keeps running statistics, None for other modules."""
    variance = getattr(module, "running_var", None)
    if isinstance(variance, Tensor):
        return Counter({dtype_bit_width(variance): 2 * variance.numel()})
    if isinstance(module, _BatchNorm):  # without running statistics
        weight = module.weight if isinstance(module.weight, Tensor) else torch.empty(0)
        return Counter({dtype_bit_width(weight): 2 * module.num_features})
    return None
