"""ResNets against torchvision's, and the networks straight from JPEG against what was published."""

import shutil
from functools import partial

import pytest
import torch
import torchvision
from torch import nn

from lossy_lightning.codecs import JPEG
from lossy_lightning.data import JPEGFolder
from lossy_lightning.nn import FrequencyNorm, InverseDCT, LateConcat, ResNet, UpSampling, load_rgb_weights
from lossy_lightning.profiling import (
    count_macs,
    count_parameters,
    profile_layers,
    total_profile,
)
from lossy_lightning.tasks import ClassificationTask

RFA = {"aware": (256, 1024), "luma": (128, 512), "joint": (128, 512), "chroma": (128, 512)}
NARROW = {"aware": None, "luma": (64, 256)}
TINY = {"depths": (1, 2, 2, 1), "widths": (4, 4, 4, 4)}


def by_field(rows, columns, cells=(2, 2)):
    """Shapes of the features of fields, chroma on that grid."""
    fine = tuple(None if size is None else n * size for n, size in zip(cells, (rows, columns), strict=True))
    return {"luma": (64, *fine), "cb": (64, rows, columns), "cr": (64, rows, columns)}


def drawn(shape, count, device=None):
    return {name: torch.randn(count, *each, device=device) for name, each in shape.items()}


def randomised(network):
    """Batch norms with statistics and scales of their own, so that none can be confused."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (torchvision.models.resnet50, {}),
        (torchvision.models.resnet18, {"depths": (2, 2, 2, 2), "bottleneck": False}),
    ],
)
def test_torchvisions_weights_give_torchvisions_outputs(make, arguments):
    theirs = randomised(make(weights=None))
    ours = ResNet((3, 64, 64), 1000, **arguments).eval()
    assert load_rgb_weights(ours, theirs.state_dict()) == []
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("skip", [1, 2, 3])
def test_the_tail_of_torchvisions_network(skip):
    theirs = randomised(torchvision.models.resnet18(weights=None))
    channels, stages = [64, 64, 128][skip - 1], [theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4]
    ours = ResNet((channels, 8, 8), 1000, depths=(2, 2, 2, 2), bottleneck=False, skip=skip).eval()
    assert load_rgb_weights(ours, theirs.state_dict()) == []
    x = torch.randn(2, channels, 8, 8)
    with torch.no_grad():
        features = nn.Sequential(*stages[skip - 1 :])(x)
        torch.testing.assert_close(ours(x), theirs.fc(features.mean((2, 3))))


def test_torchvisions_weights_are_loaded_into_a_network_that_has_a_residual_network():
    theirs = randomised(torchvision.models.resnet50(weights=None))
    ours = UpSampling(by_field(8, 8), 10)
    left = load_rgb_weights(ours, theirs.state_dict())
    assert left == [
        "resnet.layer2.0.conv1.weight",
        "resnet.layer2.0.downsample.0.weight",
        "resnet.fc.weight",
        "resnet.fc.bias",
    ]
    assert torch.equal(ours.resnet.layer4[2].conv3.weight, theirs.layer4[2].conv3.weight)
    task = ClassificationTask(JPEG().spec((3, 128, 128)), 10, partial(FrequencyNorm, by_field=True), UpSampling)
    assert {f"backbone.{name}" for name in left} < set(load_rgb_weights(task, theirs.state_dict()))
    assert torch.equal(task.backbone.resnet.layer4[2].conv3.weight, theirs.layer4[2].conv3.weight)


@pytest.mark.parametrize("network", [UpSampling, LateConcat])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depths": (1, 1, 1)}, r"depths is a list of 4 whole numbers of at least 1; got \(1, 1, 1\)"),
        ({"depths": (1, 1, 0, 1)}, r"depths is a list of 4 .* at least 1; got \(1, 1, 0, 1\)"),
        ({"widths": (4, 4)}, r"widths is a list of 4 whole numbers of at least 1; got \(4, 4\)"),
        ({"aware": 4}, r"aware is a list of 2 whole numbers of at least 1; got 4"),
    ],
)
def test_stages_that_are_not_four_are_refused(network, arguments, message):
    with pytest.raises(ValueError, match=message):
        network(by_field(8, 8), 10, **arguments)


def test_what_reads_other_features_is_not_loaded():
    theirs = randomised(torchvision.models.resnet18(weights=None))
    ours = ResNet((192, 4, 4), 10, depths=(2, 2, 2, 2), bottleneck=False, skip=2)
    before = ours.fc.weight.clone()
    left = load_rgb_weights(ours, theirs.state_dict())
    assert left == ["layer2.0.conv1.weight", "layer2.0.downsample.0.weight", "fc.weight", "fc.bias"]
    assert torch.equal(ours.fc.weight, before)
    assert torch.equal(ours.layer4[1].conv2.weight, theirs.layer4[1].conv2.weight)
    with pytest.raises(ValueError, match="none of the 2 tensors fits; names start with 'weight'"):
        load_rgb_weights(ours, nn.Linear(2, 2).state_dict())


def test_the_tail_of_a_late_concatenation_takes_torchvisions_weights():
    with torch.device("meta"):
        theirs = torchvision.models.resnet50(weights=None).state_dict()
        ours = LateConcat(by_field(14, 14), 1000)
        shapes = {name: value.shape for name, value in ours.state_dict().items()}
    names = {name for name in shapes if name.startswith(("layer3", "layer4", "fc"))}
    assert names == {name for name in theirs if name.startswith(("layer3", "layer4", "fc"))} - {
        name for name in theirs if name.startswith("layer3.0")
    }
    assert all(shapes[name] == theirs[name].shape for name in names)


def gmacs(network, shape):
    features = torch.empty(1, *shape, device="meta") if isinstance(shape, tuple) else drawn(shape, 1, device="meta")
    return round(count_macs(network, features)[32] / 1e9, 2)


@pytest.mark.parametrize(("v1", "size", "figure"), [(True, 224, 3.86), (False, 224, 4.09), (True, 112, 1.02)])
def test_resnet50(v1, size, figure):
    with torch.device("meta"):
        network = ResNet((3, size, size), 1000, v1=v1)
    assert gmacs(network, (3, size, size)) == figure
    assert count_parameters(network).total() == 25_557_032


def test_resnet50_v1_memory():
    with torch.device("meta"):
        network = ResNet((3, 224, 224), 1000, v1=True)
    rows = profile_layers(network, torch.empty(128, 3, 224, 224, device="meta"))
    trunk = total_profile(row for row in rows if row.name not in ("avgpool", "fc"))
    assert round(trunk.feature_memory / 2**30, 3) == 12.824
    assert trunk.features == {32: 128 * 26_894_336}


def test_late_concat_rfa_thinner_as_published():
    with torch.device("meta"):
        network = LateConcat(by_field(14, 14), 1000)
    assert gmacs(network, by_field(14, 14)) == 3.98


# In GMACs: none of the others has a published figure, these are our own, held so that nothing changes unseen.
@pytest.mark.parametrize(
    ("make", "arguments", "figure"),
    [
        (LateConcat, RFA, 5.11),
        (LateConcat, RFA | {"aware": None}, 2.82),
        (LateConcat, NARROW, 2.16),
        (LateConcat, NARROW | {"depths": (3, 4, 4, 3)}, 1.72),
        (UpSampling, {}, 3.04),
        (UpSampling, {"aware": (256, 1024)}, 5.40),
        (UpSampling, {"learned": True}, 3.05),
        (UpSampling, {"learned": True, "aware": (256, 1024)}, 5.40),
    ],
)
def test_the_rest_of_the_family(make, arguments, figure):
    with torch.device("meta"):
        network = make(by_field(14, 14), 1000, **arguments)
    assert gmacs(network, by_field(14, 14)) == figure


def test_cifar_resnets():
    """He et al., table 6: ResNet-20 has 0.27 million parameters; ours projects two shortcuts, 2 560 weights."""
    for n, millions in ((3, 0.27), (5, 0.46), (9, 0.85)):
        network = ResNet(
            (3, 32, 32), 10, (n, n, n), (16, 32, 64), (1, 2, 2), False, entry_kernel=3, entry_stride=1, entry_pool=False
        )
        own = sum(p.numel() for name, p in network.named_parameters() if "downsample" not in name)
        assert round(own / 1e6, 2) == millions
        assert network(torch.randn(2, 3, 32, 32)).shape == (2, 10)


def test_luma_and_chroma_meet_at_their_places():
    """A block of luma, or of chroma, reaches the classifier through the grid cell that it belongs to."""
    network = UpSampling(by_field(2, 3), 5, **TINY).eval()
    seen = []
    network.resnet.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    stem = FrequencyNorm(JPEG().spec((3, 32, 48)), by_field=True)
    code = torch.zeros(1, 384, 2, 3, dtype=torch.int16)
    code[0, 64 * 3 + 7, 1, 2] = 1  # luma of the bottom right of an MCU, frequency 7
    code[0, 64 * 5 + 9, 0, 1] = 2  # Cr
    assert network(stem(code)).shape == (1, 5)
    want = torch.zeros(1, 192, 4, 6)
    want[0, 7, 3, 5] = 1
    want[0, 128 + 9, 0:2, 2:4] = 2
    assert torch.equal(seen[0], want)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1"])
@pytest.mark.parametrize("learned", [False, True])
def test_upsampling_reads_any_layout(subsampling, learned):
    stem = FrequencyNorm(JPEG(75, subsampling).spec((3, 64, 64)), by_field=True)
    network = UpSampling(stem.shape, 5, learned, aware=(4, 8), **TINY)
    assert network(drawn(stem.shape, 2)).shape == (2, 5)


def test_all_of_a_late_concatenation_learns():
    network = LateConcat(
        by_field(4, 4), 5, aware=(4, 8), luma=(4, 8), joint=(4, 8), chroma=(4, 8), depths=(1, 2, 2, 1), widths=(4,) * 4
    )
    network(drawn(by_field(4, 4), 4)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("stem", "backbone"),
    [
        (
            partial(FrequencyNorm, by_field=True),
            partial(LateConcat, aware=(4, 8), luma=(4, 8), joint=(4, 8), chroma=(4, 8), **TINY),
        ),
        (partial(InverseDCT, factor=2), partial(ResNet, strides=(1, 2, 2, 2), **TINY)),
        (partial(InverseDCT, factor=2, rgb=True), partial(ResNet, strides=(1, 2, 2, 2), **TINY)),
    ],
)
def test_photos_padded_in_one_batch_give_the_logits_that_each_gives_alone(data_root, tmp_path, stem, backbone):
    """Photos of any size and subsampling, from files through stem and network."""
    for split in ("train", "test"):
        (tmp_path / split / "photos").mkdir(parents=True)
        for path in sorted((data_root / "imagenet_samples").glob("*.JPEG"))[:6]:
            shutil.copy(path, tmp_path / split / "photos" / path.name)
    data = JPEGFolder(JPEG(dequantize=True), tmp_path, batch_size=6, cache_dir=tmp_path / "cache")
    ((batch, _, grid_size),) = data.test_dataloader()
    task = ClassificationTask(data.spec, 5, stem, backbone)
    task.stem.adapt([data.codec], data.spec, data.statistics)
    randomised(task)
    alone = [data.codes("test")[i][0].unsqueeze(0) for i in range(6)]
    assert len({code.shape for code in alone}) >= 4
    with torch.no_grad():
        logits = task(batch, grid_size)
        torch.testing.assert_close(logits, torch.cat([task(code) for code in alone]), rtol=1e-4, atol=1e-4)
        assert not torch.allclose(task(batch), logits, rtol=1e-2, atol=1e-2)


def test_padding_counts_in_no_statistics():
    network = ResNet((6, None, None), 5, (1,), (4,), (1,), False, skip=1)
    whole = torch.randn(4, 6, 8, 8)
    padded = torch.cat([torch.cat([whole, torch.randn(4, 6, 8, 3)], 3), torch.randn(1, 6, 8, 11)])
    sizes = torch.tensor([[8, 8]] * 4 + [[8, 11]])
    logits = network(padded, sizes)
    mean = network.layer1[0].bn1.running_mean
    values = network.layer1[0].conv1
    valid = torch.zeros(5, 1, 8, 11)
    valid[:4, :, :, :8] = valid[4] = 1
    made = (values(padded * valid) * valid).sum((0, 2, 3)) / valid.sum()
    torch.testing.assert_close(mean, 0.1 * made)
    assert logits.isfinite().all()


def test_errors():
    with pytest.raises(ValueError, match=r"reads 4:2:0, .*; got .*'luma': \(64, 4, 4\).*: use UpSampling"):
        LateConcat(by_field(4, 4, (1, 1)), 5)
    with pytest.raises(ValueError, match=r"add up to 4 \* widths\[2\] = 1024; got joint=\(128, 700\)"):
        LateConcat(by_field(4, 4), 5, joint=(128, 700))
    with pytest.raises(ValueError, match=r"built for one ratio .*: set factors"):
        UpSampling(by_field(None, None), 5, learned=True)
    varying = LateConcat(by_field(None, None), 5, aware=None, luma=(4, 8), joint=(4, 8), chroma=(4, 8), **TINY)
    with pytest.raises(ValueError, match=r"reads 4:2:0, .*; got .*'cb': \(64, 4, 4\)"):
        varying(drawn(by_field(4, 4, (1, 1)), 2))
    with pytest.raises(ValueError, match=r"ResNet reads features on one grid; got fields apart, .*'luma'.*by_field"):
        ResNet(by_field(4, 4), 5)
    with pytest.raises(
        ValueError, match=r"UpSampling reads the features of each field of a colour image.*; got \(64, 4, 4\)"
    ):
        UpSampling((64, 4, 4), 5)
    with pytest.raises(ValueError, match=r"ResNet reads features \(C, H, W\); got \(3, 4\)"):
        ResNet((3, 4), 5)
    with pytest.raises(ValueError, match="describe the same stages"):
        ResNet((3, 32, 32), 5, depths=(1, 1))
    with pytest.raises(ValueError, match="depths is a list of whole numbers of at least 1; got 2"):
        ResNet((3, 32, 32), 5, depths=2)
    with pytest.raises(ValueError, match="skip is from 0 to 4, so that a stage is left; got 5"):
        ResNet((3, 32, 32), 5, skip=5)
