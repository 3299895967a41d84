"""Seconds of the course's metrics beside those of the reference libraries: ``python -m course_utils.commands.bench_metrics``.

10,000 images of 128 features, 1,000 pairs of sentences; both get the same input, in turns, on one thread.  A library that isn't installed
(they come with the extra "test") is left out.
"""

import contextlib
import random
import statistics
import time
import warnings

import torch

from .. import metrics
from ..metrics import masked_lm

IMAGES, FEATURES, PAIRS = 10_000, 128, 1000


def image_cases():
    """{name: (ours, reference's name, reference)}: functions without arguments."""
    g = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(IMAGES, FEATURES, generator=g).relu() for _ in range(2))
    logits = torch.randn(IMAGES, 10, generator=g)
    probs = logits.softmax(1)
    cases = {}

    class Same(torch.nn.Module):
        num_features = FEATURES

        def forward(self, x):
            return x

    with contextlib.suppress(ImportError):
        from torchmetrics.image.fid import FrechetInceptionDistance
        from torchmetrics.image.inception import InceptionScore

        def fid():
            judge = FrechetInceptionDistance(feature=Same(), normalize=True)
            judge.update(real, real=True)
            judge.update(fake, real=False)
            return judge.compute()

        def inception():
            judge = InceptionScore(feature=Same(), splits=1)
            judge.update(logits)
            return judge.compute()

        ours = lambda: metrics.frechet_distance(real, fake)  # noqa: E731
        cases["frechet_distance"] = ours, "torchmetrics", fid
        cases["inception_score"] = lambda: metrics.inception_score(probs), "torchmetrics", inception
    with contextlib.suppress(ImportError):
        from sklearn.neighbors import NearestNeighbors

        def neighbours(k=3):
            """Precision and recall from scikit-learn's nearest neighbours and a matrix of distances."""
            sets = [x.double().numpy() for x in (real, fake)]
            found = [NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(x) for x in sets]
            radii = [f.kneighbors(x)[0][:, -1] for f, x in zip(found, sets)]
            apart = torch.cdist(real.double(), fake.double())
            inside = [
                apart <= torch.from_numpy(radii[0])[:, None],
                apart <= torch.from_numpy(radii[1])[None],
            ]
            return inside[0].any(0).double().mean(), inside[1].any(1).double().mean()

        ours = lambda: metrics.precision_recall(real, fake)  # noqa: E731
        cases["precision_recall"] = ours, "scikit-learn + cdist", neighbours
    return cases


def text_cases():
    """As ``image_cases``, for made-up sentences of 5 to 30 words, 70 % of them in common."""
    rng = random.Random(0)
    vocabulary = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(2, 9))) for _ in range(500)]
    split = [rng.choices(vocabulary, k=rng.randint(5, 30)) for _ in range(PAIRS)]
    references = [" ".join(words) for words in split]
    candidates = [
        " ".join(w if rng.random() < 0.7 else rng.choice(vocabulary) for w in words)
        for words in split
    ]
    cases = {}
    with contextlib.suppress(ImportError):
        import sacrebleu

        cases["corpus_bleu"] = (
            lambda: metrics.corpus_bleu(candidates, references),
            "sacrebleu",
            lambda: sacrebleu.BLEU(smooth_method="none").corpus_score(candidates, [references]),
        )
        cases["corpus_chrf"] = (
            lambda: metrics.corpus_chrf(candidates, references),
            "sacrebleu",
            lambda: sacrebleu.CHRF().corpus_score(candidates, [references]),
        )
    with contextlib.suppress(ImportError):
        from rouge_score.rouge_scorer import RougeScorer

        def theirs(kind):
            scorer = RougeScorer([kind])
            return lambda: [scorer.score(r, c) for c, r in zip(candidates, references)]

        def ours(judge, *n):
            return lambda: [judge(c, r, *n) for c, r in zip(candidates, references)]

        cases["rouge_n, n = 1"] = ours(metrics.rouge_n, 1), "rouge-score", theirs("rouge1")
        cases["rouge_n, n = 2"] = ours(metrics.rouge_n, 2), "rouge-score", theirs("rouge2")
        cases["rouge_l"] = ours(metrics.rouge_l), "rouge-score", theirs("rougeL")
    with contextlib.suppress(ImportError):
        from torchmetrics.functional.text.bert import _get_precision_recall_f1

        vectors = masked_lm.embed(candidates + references)

        def matching(batch=64):
            """torchmetrics' part of it: vectors of equal length, padded with zeros, and the products."""
            unit = [torch.nn.functional.normalize(v, dim=1) for v in vectors]
            for i in range(0, PAIRS, batch):
                sides = [unit[i : min(i + batch, PAIRS)], unit[PAIRS + i : PAIRS + i + batch]]
                padded = [torch.nn.utils.rnn.pad_sequence(s, batch_first=True) for s in sides]
                weights = [(p.norm(dim=2) > 0).float() for p in padded]
                weights = [w / w.sum(1, keepdim=True) for w in weights]
                _get_precision_recall_f1(*(p[:, None] for p in padded), *weights)

        cases["bert_score"] = (
            lambda: [metrics.bert_score(c, r) for c, r in zip(vectors[:PAIRS], vectors[PAIRS:])],
            "torchmetrics, both without the network",
            matching,
        )
    return cases


def compare(ours, theirs, seconds=3.0, least=1, most=25):
    """Median seconds of two functions that run in turns, for about ``seconds`` in all -> (ours, theirs)."""
    times = [], []
    start = time.perf_counter()
    while len(times[0]) < least or (len(times[0]) < most and time.perf_counter() - start < seconds):
        for function, found in zip((ours, theirs), times):
            before = time.perf_counter()
            function()
            found.append(time.perf_counter() - before)
    return tuple(statistics.median(found) for found in times)


def main():
    """Print medians and ratios; returns {name: ours / reference}."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=".*InceptionScore.*|.*degrees of freedom.*")
    print(
        f"{IMAGES:,} images of {FEATURES} features; {PAIRS:,} pairs of sentences; medians, one thread"
    )
    print(f"{'metric':18} {'ours':>10} {'reference':>10} {'ratio':>6}  library")
    ratios = {}
    for name, (ours, library, theirs) in {**image_cases(), **text_cases()}.items():
        a, b = compare(ours, theirs)
        ratios[name] = a / b
        print(f"{name:18} {1000 * a:7.1f} ms {1000 * b:7.1f} ms {a / b:6.2f}  {library}")
    return ratios


if __name__ == "__main__":
    main()
