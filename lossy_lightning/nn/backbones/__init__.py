"""Backbones: the networks behind a stem."""

from lossy_lightning.nn.backbones.binarynet import BinaryNet
from lossy_lightning.nn.backbones.convnet import ConvNet
from lossy_lightning.nn.backbones.late_concat import LateConcat
from lossy_lightning.nn.backbones.mlp import MLP
from lossy_lightning.nn.backbones.mobilenet import MobileNet
from lossy_lightning.nn.backbones.residual import ResidualNet
from lossy_lightning.nn.backbones.resnet import ResNet, load_rgb_weights
from lossy_lightning.nn.backbones.sequence import SequenceNet
from lossy_lightning.nn.backbones.spectrogram import SpectrogramCNN
from lossy_lightning.nn.backbones.tflite_weights import load_tflite_weights
from lossy_lightning.nn.backbones.tree3 import Tree3
from lossy_lightning.nn.backbones.up_sampling import UpSampling
from lossy_lightning.nn.backbones.vision_transformer import VisionTransformer
from lossy_lightning.nn.backbones.wav2vec2 import Wav2Vec2
from lossy_lightning.nn.backbones.yamnet import YAMNet

__all__ = [
    "MLP",
    "BinaryNet",
    "ConvNet",
    "LateConcat",
    "MobileNet",
    "ResNet",
    "ResidualNet",
    "SequenceNet",
    "SpectrogramCNN",
    "Tree3",
    "UpSampling",
    "VisionTransformer",
    "Wav2Vec2",
    "YAMNet",
    "load_rgb_weights",
    "load_tflite_weights",
]
