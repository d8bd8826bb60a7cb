import pickle

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lossy_lightning.codecs import JPEG, PCM, VQ
from lossy_lightning.data._chosen_codecs import ChosenCodecs


def test_names_are_those_of_the_arguments():
    codec, coarse, fine = JPEG(50), JPEG(25), JPEG(95)
    codecs = ChosenCodecs(codec, train=fine, test={0: coarse, 3: fine})
    assert codecs.named == {
        "codec": codec, "train_codecs": fine, "test_codecs[0]": coarse, "test_codecs[3]": fine,
    }  # fmt: skip
    assert [codecs.of("val", 0), codecs.of("test", 0), codecs.of("test", 1)] == [fine, coarse, codec]
    assert [codecs.of("train", 7), codecs.of("test", 3)] == [fine, fine]
    assert (codecs.training, codecs.test) == ((fine,), (codec, coarse, fine))
    assert ChosenCodecs(codec).training == ChosenCodecs(codec).test == (codec,)


@pytest.mark.parametrize("arguments", [("PCM",), (PCM(), PCM), (PCM(), None, {1: None}), (PCM(), None, [PCM()])])
def test_what_is_no_codec_is_refused(arguments):
    with pytest.raises(ValueError, match="must be a Codec"):
        ChosenCodecs(*arguments)


def test_an_encoder_that_was_pickled_codes_each_example_by_its_class():
    signals = torch.randint(0, 256, (6, 1, 8, 8), dtype=torch.uint8)
    one, other = VQ((4, 4), 2).fit([signals[:3]]), VQ((4, 4), 2).fit([signals[3:]])
    codecs = ChosenCodecs(one, train={1: other})
    spec = one.spec((1, 8, 8))
    encode = pickle.loads(pickle.dumps(codecs.encoder("train", spec)))
    labels = torch.tensor([0, 1, 0, 1, 2, 1])
    expected = torch.where((labels == 1).view(-1, 1, 1, 1), other.encode(signals), one.encode(signals))
    assert torch.equal(encode(signals, labels), expected)
    assert torch.equal(encode(signals, labels.tolist()), expected)
    assert torch.equal(codecs.encoder("test", spec)(signals, labels), one.encode(signals))


def test_classes_that_there_are_not():
    codecs = ChosenCodecs(PCM(), test={2: PCM(), 10: PCM()})
    codecs.check_classes(11)
    with pytest.raises(MisconfigurationException, match=r"test_codecs names the classes \[10\].* 0 to 9"):
        codecs.check_classes(10)


def test_the_state_is_that_of_what_can_be_fitted():
    signals = torch.randint(0, 256, (6, 1, 8, 8), dtype=torch.uint8)
    fitted = ChosenCodecs(VQ((4, 4), 2).fit([signals]), test=PCM())
    assert list(fitted.trainable) == ["codec"]
    fresh = ChosenCodecs(VQ((4, 4), 2), test=PCM())
    fresh.load_state_dict(fitted.state_dict())
    assert fresh.fingerprint() == fitted.fingerprint()


def test_a_checkpoint_knows_the_codecs_of_training_and_no_others():
    trained = ChosenCodecs(JPEG(50), train={1: JPEG(30)}, test=JPEG(10)).state_dict()
    ChosenCodecs(JPEG(50), train={1: JPEG(30)}).check_fitted(trained)
    ChosenCodecs(JPEG(50), train={1: JPEG(30)}, test=PCM()).load_state_dict(trained)
    for codecs in (ChosenCodecs(JPEG(50)), ChosenCodecs(JPEG(10), train={1: JPEG(30)})):
        with pytest.raises(MisconfigurationException, match=r"trained on codes of .* and test_codecs for test"):
            codecs.load_state_dict(trained)
    # The codec of all training examples is the same under either name.
    ChosenCodecs(JPEG(10), train=JPEG(50)).load_state_dict(ChosenCodecs(JPEG(50)).state_dict())
    ChosenCodecs(JPEG(50)).load_state_dict(ChosenCodecs(PCM(), train=JPEG(50)).state_dict())


def test_classes_are_named_by_their_numbers():
    with pytest.raises(ValueError, match=r"train_codecs are named by numbers of classes, such as .*; got 'a'"):
        ChosenCodecs(PCM(), train={"a": PCM()})
