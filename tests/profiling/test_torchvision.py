"""The multiply-accumulates that torchvision publishes with its weights."""

import pytest
import torch
import torchvision

from lossy_lightning.profiling import count_macs

# Network -> billions of multiply-accumulates of an image of its size
PUBLISHED = {
    "alexnet": 0.714, "convnext_tiny": 4.456, "densenet121": 2.834, "efficientnet_b0": 0.386,
    "efficientnet_v2_s": 8.366, "googlenet": 1.498, "inception_v3": 5.713, "maxvit_t": 5.558, "mnasnet1_0": 0.314,
    "mobilenet_v2": 0.301, "mobilenet_v3_large": 0.217, "regnet_x_400mf": 0.414, "regnet_y_400mf": 0.402,
    "resnet18": 1.814, "resnet50": 4.089, "resnext50_32x4d": 4.23, "shufflenet_v2_x1_0": 0.145,
    "squeezenet1_0": 0.819, "swin_t": 4.491, "swin_v2_t": 5.94, "vgg11_bn": 7.609, "vit_b_16": 17.564,
    "wide_resnet50_2": 11.398,
}  # fmt: skip
SIZES = {"efficientnet_v2_s": 384, "inception_v3": 299, "swin_v2_t": 256}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts(name: str) -> None:
    size = SIZES.get(name, 224)
    model = torchvision.models.get_model(name, weights=None).to("meta")
    macs = count_macs(model, torch.empty(1, 3, size, size, device="meta"))
    assert {width: round(count / 1e9, 3) for width, count in macs.items()} == {32: PUBLISHED[name]}
