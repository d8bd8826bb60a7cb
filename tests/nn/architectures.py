"""Stems and backbones, and the codes that they read, for tests of every pair that fits."""

from functools import partial

from lossy_lightning.codecs import JPEG, MP3, PCM
from lossy_lightning.core import CodeSpec, Field
from lossy_lightning.nn import (
    MLP,
    BinaryNet,
    Bits,
    BlockDCT,
    ChannelBatchNorm,
    CodebookSum,
    CoefficientPlanes,
    Concat,
    ConvNet,
    Embed,
    FeatureHash,
    FrequencyBatchNorm,
    FrequencyNorm,
    InverseDCT,
    LateConcat,
    LearnedBits,
    LookupConv,
    LookupLinear,
    MobileNet,
    OneHot,
    Packed,
    ResidualNet,
    ResNet,
    Scale,
    SequenceNet,
    SpaceToDepth,
    SpectralBands,
    SpectralLines,
    SpectrogramCNN,
    Tree3,
    UpSampling,
    VisionTransformer,
    Wav2Vec2,
    YAMNet,
)
from lossy_lightning.tasks import ClassificationTask

STAGES = Field("stages", (0, 0, 0), (5, 5, 5), False, absent=-1)
VALUES = [STAGES, Field("gain", (-3,), (8,), True)]
SOUND, IMAGES = CodeSpec(VALUES, (None,)), CodeSpec(VALUES, (None, None))
WORDS, WORD_IMAGES = SOUND.select("stages"), IMAGES.select("stages")
PHOTOS = JPEG(tables=True).spec((3, None, None))
WIDE = JPEG(chroma_subsampling="4:1:1").spec((3, None, None))
SPEECH, MUSIC = MP3(32, 16_000).spec((1, None)), MP3(128, 44_100, channels=2).spec((2, None))
WAVES = CodeSpec.uniform((1, 400), -9, 9, ordinal=True)
FIELDS = [partial(Embed, dim=2, fields=["stages"]), partial(Scale, fields=["gain"])]

STEMS = {
    "Scale": (Scale, SOUND, IMAGES, PHOTOS),
    "ChannelBatchNorm": (ChannelBatchNorm, SOUND, IMAGES, PHOTOS),
    "OneHot": (OneHot, SOUND, IMAGES),
    "Bits": (Bits, SOUND, IMAGES),
    "Gray": (partial(Bits, gray=True), SOUND),
    "LearnedBits": (LearnedBits, WORDS, WORD_IMAGES),
    "Embed": (partial(Embed, dim=3), SOUND, IMAGES),
    "FeatureHash": (partial(FeatureHash, buckets=7), SOUND, IMAGES),
    "CodebookSum": (partial(CodebookSum, dim=4, trainable=True), WORDS, WORD_IMAGES),
    "LookupConv, stride 4": (partial(LookupConv, kernel_size=6, stride=4, out_channels=8, padding=1), SOUND, IMAGES),
    "LookupConv, stride 1": (partial(LookupConv, kernel_size=3, stride=1, out_channels=8, padding=1), SOUND, IMAGES),
    "LookupConv, unpadded": (partial(LookupConv, kernel_size=2, stride=2, out_channels=8), SOUND, IMAGES),
    "Concat": (partial(Concat, stems=FIELDS), SOUND, IMAGES),
    "FrequencyNorm": (FrequencyNorm, PHOTOS, WIDE),
    "FrequencyNorm, unstacked": (partial(FrequencyNorm, luma=9, chroma=4, unstack=True), PHOTOS, WIDE),
    "FrequencyNorm, by field": (partial(FrequencyNorm, by_field=True), PHOTOS, WIDE),
    "FrequencyBatchNorm": (FrequencyBatchNorm, PHOTOS),
    "FrequencyBatchNorm, by field": (partial(FrequencyBatchNorm, luma=7, chroma=5, by_field=True), PHOTOS),
    "InverseDCT, factor 1": (partial(InverseDCT, factor=1), PHOTOS, WIDE),
    "InverseDCT, factor 2, RGB": (partial(InverseDCT, factor=2, rgb=True), PHOTOS),
    "SpectralBands": (partial(SpectralBands, sample_rate=44_100, bands=16), SPEECH, MUSIC),
    "SpectralLines": (partial(SpectralLines, sample_rate=44_100), SPEECH, MUSIC),
    "SpectralLines, magnitudes": (partial(SpectralLines, sample_rate=16_000, lines=99, magnitudes=True), SPEECH),
    "CoefficientPlanes": (partial(CoefficientPlanes, luma=6, chroma=3), PHOTOS),
}
PIXELS = PCM().spec((3, 32, 32))
SMALL = CodeSpec.uniform((2, 16, 16), 0, 3, ordinal=False)
FIXED = {
    "BlockDCT": (BlockDCT, PIXELS),
    "BlockDCT, normalised": (partial(BlockDCT, then=FrequencyBatchNorm), PIXELS),
    "LookupLinear": (partial(LookupLinear, out_features=12), SMALL),
    "Packed": (partial(Packed, block=(2, 2)), SMALL),
    "SpaceToDepth": (SpaceToDepth, PIXELS),
    "Scale, waves": (Scale, WAVES),
}
"""Stems on codes of one size."""


def small_wav2vec2(shape, num_classes):
    """The published network with two narrow convolutions and one narrow layer."""
    import torchaudio

    none = dict.fromkeys(["projection_dropout", "attention_dropout", "ff_interm_dropout", "dropout", "layer_drop"], 0.0)
    network = torchaudio.models.wav2vec2_model(
        extractor_mode="group_norm",
        extractor_conv_layer_config=[(8, 10, 5), (8, 8, 4)],
        extractor_conv_bias=False,
        encoder_embed_dim=8,
        encoder_pos_conv_kernel=3,
        encoder_pos_conv_groups=1,
        encoder_num_layers=1,
        encoder_num_heads=2,
        encoder_ff_interm_features=8,
        encoder_layer_norm_first=False,
        aux_num_out=None,
        **{f"encoder_{name}": value for name, value in none.items()},
    )
    return Wav2Vec2(shape, num_classes, network=network)


TINY = {"depths": (1, 2, 2, 1), "widths": (4, 4, 4, 4)}
BACKBONES = {
    "SequenceNet": partial(SequenceNet, channels=(8, 8, 16), strides=(1, 2, 2)),
    "SequenceNet, binary": partial(SequenceNet, channels=(8, 8), strides=(2, 1), weight_bit_width=1, input_bit_width=1),
    "ResidualNet": partial(ResidualNet, channels=(8, 16, 16), strides=(2, 2, 1)),
    "ResidualNet, real": partial(
        ResidualNet, channels=(12, 12), strides=(1, 2), weight_bit_width=32, input_bit_width=32
    ),
    "ResidualNet, binary": partial(ResidualNet, channels=(12, 24), strides=(2, 1), last_bit_width=1),
    "ResNet": partial(ResNet, depths=(1, 2), widths=(4, 8), strides=(1, 2), bottleneck=False),
    "ResNet, bottlenecks": partial(ResNet, **TINY, entry_kernel=3, entry_stride=1, v1=True),
    "ResNet, tail": partial(ResNet, **TINY, skip=2),
    "LateConcat": partial(LateConcat, aware=(4, 8), luma=(4, 8), joint=(4, 8), chroma=(4, 8), **TINY),
    "VisionTransformer": partial(VisionTransformer, patch=(2, 1), dim=8, depth=2, heads=2, hidden=2),
    "UpSampling": partial(UpSampling, **TINY),
    "UpSampling, aware": partial(UpSampling, aware=(4, 8), learned=True, factors=(2, 2), **TINY),
}
CROPPED = {
    "BinaryNet": BinaryNet,
    "ConvNet": partial(ConvNet, channels=(8, 8), pool=(True, False), hidden_features=(8,)),
    "ConvNet, real": partial(
        ConvNet, channels=(8, 8), pool=(True, False), hidden_features=(8,), weight_bit_width=32, input_bit_width=32
    ),
    "MLP": partial(MLP, hidden_features=(8,)),
    "MLP, 4 bits": partial(MLP, hidden_features=(8,), weight_bit_width=4, input_bit_width=4, input_norm=True),
    "MobileNet": partial(MobileNet, width_mult=0.25, skip=12),
    "SpectrogramCNN": SpectrogramCNN,
    "Tree3": partial(Tree3, filters=2, branches=3, kernel_size=1, pool=1, rows=1),
    "Wav2Vec2": small_wav2vec2,
    "YAMNet": YAMNet,
}
"""Backbones on features of one size, and on waveforms, whose padding their own tests try."""


def fits(make, spec, backbone):
    """The task of a stem and a backbone, None if they do not fit together."""
    try:
        return ClassificationTask(spec, 5, make, backbone)
    except ValueError:
        return None
