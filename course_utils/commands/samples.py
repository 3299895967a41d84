"""``make full NB=08_samples``: draws the samples that lectures 00 and 08 show, by the cells of lectures 03 to 07 that define the models.

Each shipped checkpoint is loaded into its lecture's own class and drawn from by the lecture's own sampler, or for text as it does.
"""

import sys
import time

import torch

from .. import checkpoints, data
from ..metrics import samples
from .notebooks import model_cells


def _shipped(lecture, checkpoint, kind):
    entry = checkpoints.recorded(checkpoint)
    net = lecture[kind](**entry.config).eval()
    checkpoints.load(checkpoint, net)
    return net, {"parameters": entry.parameters, "cpu_seconds": entry.cpu_seconds}, entry.value


def _made(lecture):
    """Lecture 03: one pass of the network for each pixel."""
    net, facts, nats = _shipped(lecture, "03_made", "MADE")
    generator = torch.Generator().manual_seed(0)
    x = torch.zeros(samples.COUNT, 784)
    for j in range(784):
        x[:, j] = torch.bernoulli(net(x)[:, j].sigmoid(), generator=generator)
    return x, facts | {"label": "MADE", "lecture": "03", "nats": nats, "bound": False}


def _pixelcnn(lecture):
    """Lecture 05: its cached sampler, 250 images at a time."""
    net, facts, nats = _shipped(lecture, "05_pixelcnn", "PixelCNN")
    generator = torch.Generator().manual_seed(0)
    parts = []
    for _ in range(samples.COUNT // 250):
        u = torch.rand(250, 28, 28, generator=generator)
        parts.append(lecture["sample_cached"](net, u))
    return torch.cat(parts), facts | {
        "label": "PixelCNN",
        "lecture": "05",
        "nats": nats,
        "bound": False,
    }


def _vae_grey(lecture):
    """Lecture 06: one pass of the decoder -> probabilities of ink (n, 784), the generator that drew the codes, the facts."""
    net, facts, nats = _shipped(lecture, "06_vae", "VAE")
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(samples.COUNT, net.latent_dim, generator=generator)
    return (
        net.decoder(z).sigmoid(),
        generator,
        facts | {"lecture": "06", "nats": nats, "bound": True},
    )


def _vae(lecture):
    """Each pixel drawn with its probability."""
    grey, generator, facts = _vae_grey(lecture)
    return torch.bernoulli(grey, generator=generator), facts | {"label": "VAE"}


def _vae_thresholded(lecture):
    """The same latent codes, each pixel black where its probability exceeds one half."""
    grey, _, facts = _vae_grey(lecture)
    return grey > 0.5, facts | {"label": "VAE, thresholded"}


def _gan(lecture):
    """Lecture 07: one pass of the generator, then a draw of each pixel."""
    net, facts, _ = _shipped(lecture, "07_gan", "Generator")
    generator = torch.Generator().manual_seed(0)
    x = net(torch.randn(samples.COUNT, net.latent_dim, generator=generator))
    return torch.bernoulli(x, generator=generator), facts | {
        "label": "GAN",
        "lecture": "07",
        "nats": None,
        "bound": False,
    }


def _conditional_gan(lecture):
    """Lecture 07: the same with a class for each image."""
    net, facts, _ = _shipped(lecture, "07_conditional_gan", "ConditionalGenerator")
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(samples.COUNT, net.latent_dim, generator=generator)
    x = torch.bernoulli(net(z, torch.arange(samples.COUNT) % 10), generator=generator)
    label = "GAN, conditional"
    return x, facts | {"label": label, "lecture": "07", "nats": None, "bound": False}


@torch.no_grad()
def write_play(prompt="ROMEO:\n", temperature=0.8, seed=0, length=600):
    """Lecture 04: lines of a play, one character at a time."""
    net, _, _ = _shipped(model_cells("04_rnn_text_generation"), "04_char_lstm", "CharModel")
    alphabet = sorted(set(data.text("shakespeare")))
    generator, written = torch.Generator().manual_seed(seed), prompt
    logits, state = net(torch.tensor([[alphabet.index(c) for c in prompt]]))
    for _ in range(length):
        p = torch.softmax(logits[:, -1] / temperature, dim=1)
        code = torch.multinomial(p, 1, generator=generator)  # (1, 1)
        written += alphabet[int(code)]
        logits, state = net(code, state)
    return written


def speak(seconds, seed=0, rate=8000):
    """Lecture 03b: a voice, one sample after the other, starting from silence.  -> (seconds * rate,), -1..1"""
    lecture = model_cells("03b_wavenet")
    net, _, _ = _shipped(lecture, "03b_wavenet", "WaveNet")
    steps = int(seconds * rate)
    noise = torch.rand(steps, 1, generator=torch.Generator().manual_seed(seed))
    queues, code = lecture["read_prompt"](net, torch.full((1, 1100), 128))
    codes = lecture["generate_cached"](net, queues, code, noise)
    return lecture["mu_law_decode"](codes, 255)[0].numpy()


def _keep_play():
    lines = write_play()
    facts = {"prompt": "ROMEO:", "temperature": 0.8, "seed": 0}
    checkpoint = checkpoints.recorded("04_char_lstm").sha256
    whole = lines[: lines.rindex("\n") + 1]  # the first draw, up to its last whole line
    samples.save_text("04_char_lstm", whole, checkpoint=checkpoint, **facts)


def _keep_speech():
    facts = {"prompt": "silence", "seed": 0}
    checkpoint = checkpoints.recorded("03b_wavenet").sha256
    samples.save_sound("03b_wavenet", speak(2), 8000, checkpoint=checkpoint, **facts)


MODELS = {
    "03_made": ("03_autoregression", _made, False),
    "05_pixelcnn": ("05_pixelcnn", _pixelcnn, False),
    "06_vae": ("06_vae", _vae, False),
    "06_vae_thresholded": ("06_vae", _vae_thresholded, False),
    "07_gan": ("07_gan", _gan, False),
    "07_gan_conditional": ("07_gan", _conditional_gan, True),
}
OTHERS = {"04_char_lstm": _keep_play, "03b_wavenet": _keep_speech}


def main(wanted=()):
    """``python -m course_utils.commands.samples [NAME …]``: draw the samples of these models (all, if none is named) and keep them."""

    torch.set_num_threads(1)
    for name in wanted or [*MODELS, *OTHERS]:
        if name in OTHERS:
            OTHERS[name]()
            continue
        lecture, draw, ordered = MODELS[name]
        defined = model_cells(lecture)
        start = time.process_time()
        with torch.no_grad():
            images, facts = draw(defined)
        seconds = (time.process_time() - start) / len(images)
        samples.save(name, images, ordered=ordered, seconds=round(seconds, 7), **facts)
        print(f"{name}: {len(images):,} images, {1000 * seconds:.3f} ms each")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
