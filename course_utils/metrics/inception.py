"""Features of the real Inception network, for those who have its weights; nothing is downloaded.

Feed them to ``frechet_distance``, ``precision_recall`` and the rest, as the course's own.  **This is not the FID of papers.**  Theirs
(Heusel et al. 2017) uses the weights that TensorFlow published in December 2015, with 1,008 outputs; torchvision's come from a later
release with 1,000.  The 2015 network leaves the padding out of the averages in its pooling branches and takes maxima for averages in its
last block; torchvision's doesn't.  And TensorFlow enlarges images without antialiasing, which alone moves FID (Parmar et al. 2022); here
it is bilinear with antialiasing to 299 x 299, then -1..1 as there.  Compare these figures with each other only.
"""

from pathlib import Path

import torch
import torch.nn.functional as F

from .network import tensor

WIDTH = 2048
_SIDE = 299


class Inception:
    """torchvision's Inception v3 with weights from a file: ``net = Inception(path)``, ``net.features(images)``, ``net.probabilities(images)``.

    path: the ``state_dict`` of ``torchvision.models.inception_v3``, such as torchvision's own ``inception_v3_google-0cc3c7bd.pth``, or the
    same as .safetensors.  Only numbers are read: a file that holds any other object is refused (``weights_only``).
    Raises FileNotFoundError for no such file, ValueError for a damaged one or the weights of another network.
    """

    def __init__(self, path):
        from torchvision.models import inception_v3

        weights = _read(Path(path))
        with torch.device("meta"):  # no time for random weights that are then thrown away
            net = inception_v3(weights=None, init_weights=False, transform_input=False)
        own = net.state_dict()
        differ = [
            k
            for k in own
            if k not in weights or weights[k].shape != own[k].shape
            if not k.startswith("AuxLogits.")  # used in training only
            and not k.endswith("num_batches_tracked")
        ] + [k for k in weights if k not in own]
        if differ:
            raise ValueError(
                f"{path} holds weights of another network than torchvision's inception_v3: {len(differ)} of its {len(own)} parts are "
                f"missing, of another shape or unknown, such as {differ[0]}"
            )
        bad = next((k for k, v in weights.items() if not v.isfinite().all()), None)
        if bad:
            raise ValueError(f"{path} is damaged: {bad} holds values that are no finite numbers")
        net.AuxLogits = None
        net.load_state_dict(
            {k: v.float() for k, v in weights.items() if not k.startswith("AuxLogits.")},
            strict=False,
            assign=True,
        )
        self._head, net.fc = net.fc, torch.nn.Identity()
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.num_batches_tracked = None  # counts training steps; older files have none
        self._net = net.eval().requires_grad_(False)

    def features(self, images, batch_size=16):
        """Mean-pooled last layer: images (n, 1 or 3, h, w), 0 black to 1 white -> float32 (n, 2048).

        batch_size images are in work at once, each in tens of MB.  A grey image becomes three equal channels.  The course's digits are 0
        paper to 1 ink: 1 - x is what a camera would see.
        Raises ValueError for another shape or values outside of 0..1.
        """
        images = _checked(images)
        found = torch.empty(len(images), WIDTH)
        with torch.inference_mode():
            for start in range(0, len(images), batch_size):
                x = images[start : start + batch_size].float().expand(-1, 3, -1, -1)
                if x.shape[2:] != (_SIDE, _SIDE):
                    x = F.interpolate(
                        x, (_SIDE, _SIDE), mode="bilinear", antialias=True, align_corners=False
                    )
                found[start : start + batch_size] = self._net(2 * x - 1)
        return found

    def probabilities(self, images, batch_size=16):
        """p(class | image) over ImageNet's 1,000 classes, for ``inception_score``: images as for ``features`` -> float32 (n, 1000)."""
        with torch.inference_mode():
            return self._head(self.features(images, batch_size)).softmax(1).clone()


def _read(path):
    """{name: tensor} of a file.  Nothing in it is executed."""
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no file {path}: Inception's weights don't come with the course; give the file that torchvision offers for "
            "inception_v3 (Inception_V3_Weights.IMAGENET1K_V1), from a place that you trust"
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            weights = load_file(path)
        else:
            weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # zip, pickle and safetensors each have their own
        raise ValueError(
            f"{path} is damaged, or no file of weights, or holds more than numbers ({type(error).__name__})"
        ) from None
    if not isinstance(weights, dict) or not all(
        isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in weights.items()
    ):
        raise ValueError(f"{path} must hold a state_dict: names and tensors, nothing else")
    return weights


def _checked(images):
    images = tensor(images)
    if images.dim() != 4 or images.shape[1] not in {1, 3} or not images.numel():
        raise ValueError(
            f"Inception reads images of shape (n, 1 or 3, h, w); these are {tuple(images.shape)}"
        )
    low, high = images.min().item(), images.max().item()
    if not images.is_floating_point() or not (low >= -1e-3 and high <= 1 + 1e-3):
        raise ValueError(
            f"Inception reads floats from 0 (black) to 1 (white); these are {images.dtype} from {low:g} to {high:g}"
        )
    return images
