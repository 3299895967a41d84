"""Inception features from a file of weights: torchvision's network, its own numbers, and no file that does more than hold numbers."""

import pickle

import pytest
import torch
import torch.nn.functional as F

from course_utils import metrics

pytest.importorskip("torchvision")


@pytest.fixture(scope="module")
def network():
    from torchvision.models import inception_v3

    torch.manual_seed(0)
    net = inception_v3(weights=None, init_weights=False, transform_input=False)
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)  # features about as large as their input
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module", params=["pth", "safetensors"])
def file(request, network, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / f"inception.{request.param}"
    if request.param == "pth":
        torch.save(network.state_dict(), path)
    else:
        from safetensors.torch import save_file

        save_file(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def inception(file):
    return metrics.Inception(file)


def test_features_are_torchvisions(network, inception):
    x = torch.rand(3, 3, 299, 299, generator=torch.Generator().manual_seed(1))
    taken = []
    handle = network.avgpool.register_forward_hook(lambda _, __, out: taken.append(out.flatten(1)))
    logits = network(2 * x - 1)
    handle.remove()
    found = inception.features(x, batch_size=2)
    assert found.shape == (3, 2048) and found.std() > 0.1
    torch.testing.assert_close(found, taken[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(inception.probabilities(x), logits.softmax(1), rtol=1e-3, atol=1e-6)


def test_small_and_grey_images(inception):
    x = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(2))
    large = F.interpolate(x, (299, 299), mode="bilinear", antialias=True).expand(-1, 3, -1, -1)
    torch.testing.assert_close(
        inception.features(x), inception.features(large), rtol=1e-4, atol=1e-5
    )


def test_published_values_are_normalised_to_plus_minus_one(inception):
    seen = []
    handle = inception._net.Conv2d_1a_3x3.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    inception.features(torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 8, 8))
    handle.remove()
    assert seen[0].amin().item() == -1 and seen[0].amax().item() == 1


def test_batches_bound_the_memory(inception):
    sizes = []
    handle = inception._net.Conv2d_1a_3x3.register_forward_pre_hook(
        lambda _, x: sizes.append(len(x[0]))
    )
    assert inception.features(torch.zeros(5, 3, 16, 16), batch_size=2).shape == (5, 2048)
    handle.remove()
    assert sizes == [2, 2, 1]


def test_frechet_distance_takes_these_features(inception):
    g = torch.Generator().manual_seed(3)
    dark, bright = (torch.rand(4, 1, 16, 16, generator=g) * s for s in (0.3, 1.0))
    a, b = inception.features(dark).double(), inception.features(bright).double()
    a, b = a[:, :2], b[:, :2]  # four images can't say more
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert metrics.frechet_distance(a, b) > 1e-6


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (torch.zeros(3, 299, 299), "shape"),
        (torch.zeros(2, 2, 8, 8), "shape"),
        (torch.zeros(0, 3, 8, 8), "shape"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "uint8"),
        (torch.full((1, 3, 8, 8), 255.0), "255"),
        (torch.full((1, 3, 8, 8), float("nan")), "nan"),
    ],
)
def test_wrong_images_are_refused(inception, images, said):
    with pytest.raises(ValueError, match=said):
        inception.features(images)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.pth.*torchvision"):
        metrics.Inception(tmp_path / "none.pth")


@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_damaged_file_is_refused(tmp_path, network, kind):
    path = tmp_path / f"cut.{kind}"
    torch.save({"fc.bias": network.fc.bias}, path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="damaged"):
        metrics.Inception(path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_pickle_is_not_executed(tmp_path):
    done = tmp_path / "done"

    class Trap:
        def __reduce__(self):
            return open, (str(done), "w")

    for name, write in {"raw": pickle.dump, "zip": torch.save}.items():
        path = tmp_path / f"{name}.pth"
        with open(path, "wb") as out:
            write({"fc.bias": Trap()}, out)
        with pytest.raises(ValueError, match="more than numbers"):
            metrics.Inception(path)
    assert not done.exists()


def test_other_networks_are_refused(tmp_path, network):
    path = tmp_path / "other.pth"
    torch.save({"fc.bias": torch.zeros(1000)}, path)
    with pytest.raises(ValueError, match="another network"):
        metrics.Inception(path)
    torch.save(network.state_dict() | {"fc.weight": torch.zeros(10, 2048)}, path)
    with pytest.raises(ValueError, match=r"another network.*fc\.weight"):
        metrics.Inception(path)
    broken = network.state_dict() | {"fc.bias": torch.full((1000,), torch.nan)}
    torch.save(broken, path)
    with pytest.raises(ValueError, match=r"fc\.bias"):
        metrics.Inception(path)
    torch.save([torch.zeros(3)], path)
    with pytest.raises(ValueError, match="state_dict"):
        metrics.Inception(path)
