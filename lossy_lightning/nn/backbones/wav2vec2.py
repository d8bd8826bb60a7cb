"""wav2vec 2.0: features of speech."""

from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor, nn

from lossy_lightning.core import FeatureShape, InputError, MissingFileError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.nn.backbones._shapes import channels_of

_LEAST = 400  # samples that one frame sees


class Wav2Vec2(nn.Module):
    """wav2vec 2.0 by torchaudio: features of speech of any length, their mean, and a linear layer.

    It reads waveforms, mono, in [-1, 1], such as `Scale` gives of int16 samples. Padded sounds are read one by one, for
    the network's first norm is over time, so that padding never changes the logits.

    Args:
        shape: Shape ``(1, samples)`` of the waveforms, without batch; samples may vary (None).
        num_classes: Number of outputs.
        bundle: Name of the weights in `torchaudio.pipelines`, without a last layer of letters.
        sample_rate: Of the sounds, in Hz; the published networks know 16 000 alone.
        network: A `torchaudio.models.Wav2Vec2Model` to take instead, of which nothing is downloaded.

    Raises:
        ValueError: If sounds are not mono, or there is no such bundle, or it has another rate.
        FileNotFoundError: If the weights are not there, and cannot be downloaded.

    Source:
        Baevski et al., wav2vec 2.0, NeurIPS 2020; torchaudio, ``torchaudio.pipelines``.

    Example:
        >>> small = dict(extractor_mode="group_norm", extractor_conv_layer_config=[(8, 10, 5), (8, 8, 4)],
        ...     extractor_conv_bias=False, encoder_embed_dim=8, encoder_projection_dropout=0.0,
        ...     encoder_pos_conv_kernel=3, encoder_pos_conv_groups=1, encoder_num_layers=1, encoder_num_heads=2,
        ...     encoder_attention_dropout=0.0, encoder_ff_interm_features=8, encoder_ff_interm_dropout=0.0,
        ...     encoder_dropout=0.0, encoder_layer_norm_first=False, encoder_layer_drop=0.0, aux_num_out=None)
        >>> import torchaudio
        >>> net = Wav2Vec2((1, None), 8, network=torchaudio.models.wav2vec2_model(**small)).eval()
        >>> net(torch.zeros(2, 1, 800)).shape, net.embed(torch.zeros(2, 1, 500)).shape
        (torch.Size([2, 8]), torch.Size([2, 8]))
    """

    def __init__(
        self,
        shape: FeatureShape,
        num_classes: int,
        bundle: str = "WAV2VEC2_BASE",
        sample_rate: int = 16_000,
        network: nn.Module | None = None,
    ) -> None:
        super().__init__()
        check_integers(1, num_classes=num_classes)
        if channels_of(shape, 1, "Wav2Vec2") != 1:
            raise InputError(f"Wav2Vec2 reads mono sounds (1, samples); got {shape}: mix channels down")
        self.network: Any = _load(bundle, sample_rate) if network is None else network
        encoder: Any = self.network.encoder
        width: int = encoder.transformer.layers[-1].final_layer_norm.normalized_shape[0]
        self.classifier = nn.Linear(width, num_classes)

    def embed(self, features: Tensor, grid_size: Tensor | None = None) -> Tensor:
        """Mean of the last layer over time: ``(N, 1, samples)``, each of its ``grid_size``, to ``(N, width)``."""
        if grid_size is not None:
            own = zip(features, grid_size.flatten().tolist(), strict=True)
            return torch.cat([self.embed(each[None, :, :size]) for each, size in own])
        short = max(0, _LEAST - features.shape[2])
        found: Tensor = self.network.extract_features(nn.functional.pad(features[:, 0], (0, short)))[0][-1]
        return found.mean(1)

    def forward(self, features: Tensor, grid_size: Tensor | None = None) -> Tensor:
        """Logits ``(N, num_classes)`` of waveforms ``(N, 1, samples)``."""
        logits: Tensor = self.classifier(self.embed(features, grid_size))
        return logits


def _load(name: str, sample_rate: int) -> nn.Module:
    """The network of a bundle, downloaded if it is not there.

    Raises:
        ValueError: If there is no such bundle, or it has another rate.
        FileNotFoundError: If it cannot be downloaded.
    """
    from torchaudio import pipelines

    names = [each for each in pipelines.__all__ if isinstance(getattr(pipelines, each), pipelines.Wav2Vec2Bundle)]
    if name not in names:
        raise InputError(f"bundle is one of {', '.join(names)}; got {name!r}")
    bundle: Any = getattr(pipelines, name)
    if sample_rate != bundle.sample_rate:
        raise InputError(
            f"{name} reads sounds at {bundle.sample_rate:.0f} Hz; got {sample_rate=}: set that rate of the data "
            "module, which resamples them"
        )
    try:
        network: nn.Module = bundle.get_model(dl_kwargs={"progress": False})
    except (URLError, OSError) as error:
        folder = Path(torch.hub.get_dir(), "checkpoints")
        raise MissingFileError(
            f"the weights of {name} are not in {folder}, and could not be downloaded: {error}; download "
            f"https://download.pytorch.org/torchaudio/models/{bundle._path} and put it there"
        ) from error
    return network
