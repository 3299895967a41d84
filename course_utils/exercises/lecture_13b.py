"""Exercises of lecture 13b, fine-tuning: references, cases, and the answers that students really give."""

import torch
import torch.nn.functional as F

from .declare import Declarations, normal

EXERCISES = Declarations()


def lora_init(W, noise):
    """Where LoRA starts for a frozen layer W, (out, in): A random, B zero, so that the layer is the old one and yet can learn (Hu et al. 2021).

    noise: (rank, in), standard normal.  Returns A: (rank, in), noise divided by the root of in; B: (out, rank).
    """
    return noise / W.shape[1] ** 0.5, torch.zeros(len(W), len(noise))


@EXERCISES.declare(lora_init)
class _:
    def cases():
        shapes = [(6, 4, 2), (4, 9, 3), (5, 5, 1), (3, 16, 4)]
        return [
            (normal(out, n, seed=s), normal(rank, n, seed=s + 9))
            for s, (out, n, rank) in enumerate(shapes)
        ]

    class mistakes:
        both_zero = lambda W, noise: (torch.zeros_like(noise), torch.zeros(len(W), len(noise)))
        both_random = lambda W, noise: (noise / W.shape[1] ** 0.5, normal(len(W), len(noise), seed=97))  # fmt: skip
        only_b_random = lambda W, noise: (torch.zeros_like(noise), normal(len(W), len(noise), seed=97))  # fmt: skip
        ones = lambda W, noise: (noise / W.shape[1] ** 0.5, torch.ones(len(W), len(noise)))
        not_scaled = lambda W, noise: (noise, torch.zeros(len(W), len(noise)))
        by_in = lambda W, noise: (noise / W.shape[1], torch.zeros(len(W), len(noise)))
        by_rank = lambda W, noise: (noise / len(noise) ** 0.5, torch.zeros(len(W), len(noise)))
        b_transposed = lambda W, noise: (noise / W.shape[1] ** 0.5, torch.zeros(len(noise), len(W)))
        exchanged = lambda W, noise: lora_init(W, noise)[::-1]

    class alternatives:
        new = lambda W, noise: (noise * noise.shape[1] ** -0.5, W.new_zeros(W.shape[0], noise.shape[0]))  # fmt: skip


def lora_forward(x, W, A, B, alpha):
    """A frozen layer and its low-rank update: x W^T + alpha / rank * x A^T B^T (Hu et al. 2021).

    x: (..., in), W: (out, in), A: (rank, in), B: (out, rank), alpha: a number.  Returns (..., out).
    """
    return x @ W.T + alpha / len(A) * (x @ A.T) @ B.T


def _adapters(*sizes):
    """W, A, B for each (out, in, rank)."""
    for s, (out, n, rank) in enumerate(sizes, 1):
        yield normal(out, n, seed=s), normal(rank, n, seed=s + 10), normal(out, rank, seed=s + 20)


def _added(x, W, A, B, scale, base=1.0):
    return base * x @ W.T + scale * (x @ A.T) @ B.T


@EXERCISES.declare(lora_forward, differentiable=("x", "A", "B"))
class _:
    def cases():
        first, wide, one = _adapters((5, 4, 2), (6, 8, 3), (5, 7, 1))
        return [
            (normal(3, 4), *first, 8),
            (normal(2, 3, 8, seed=1), *wide, 2.0),
            (normal(4, 7, seed=2), *one, 0.5),
            (normal(3, 4, seed=3), *first[:2], torch.zeros(5, 2), 16),
        ]

    class mistakes:
        rank_forgotten = lambda x, W, A, B, alpha: _added(x, W, A, B, alpha)
        alpha_forgotten = lambda x, W, A, B, alpha: _added(x, W, A, B, 1 / len(A))
        no_scale = lambda x, W, A, B, alpha: _added(x, W, A, B, 1.0)
        root_of_rank = lambda x, W, A, B, alpha: _added(x, W, A, B, alpha / len(A) ** 0.5)
        divided_by_in = lambda x, W, A, B, alpha: _added(x, W, A, B, alpha / A.shape[1])
        times_rank = lambda x, W, A, B, alpha: _added(x, W, A, B, alpha * len(A))
        all_scaled = lambda x, W, A, B, alpha: _added(x, W, A, B, alpha / len(A), alpha / len(A))
        only_update = lambda x, W, A, B, alpha: _added(x, W, A, B, alpha / len(A), 0.0)
        only_base = lambda x, W, A, B, alpha: _added(x, W, A, B, 0.0)
        taken_away = lambda x, W, A, B, alpha: _added(x, W, A, B, -alpha / len(A))
        update_detached = lambda x, W, A, B, alpha: x @ W.T + alpha / len(A) * x @ (B @ A).detach().T  # fmt: skip

        def base_detached(x, W, A, B, alpha):
            return (x @ W.T).detach() + alpha / len(A) * (x @ A.T) @ B.T

    class alternatives:
        linear = lambda x, W, A, B, alpha: F.linear(x, W) + F.linear(F.linear(x, A), B) * (alpha / A.shape[0])  # fmt: skip
        merged = lambda x, W, A, B, alpha: x @ (W + alpha / len(A) * B @ A).T


def merge_lora(W, A, B, alpha):
    """One matrix that does what lora_forward() does: (out, in).  W stays as it is."""
    return W + alpha / len(A) * B @ A


@EXERCISES.declare(merge_lora)
class _:
    def cases():
        sizes = [(5, 4, 2), (6, 8, 3), (5, 7, 1), (3, 4, 2)]
        alphas = (8, 2.0, 0.5, 1)
        return [(*each, alpha) for each, alpha in zip(_adapters(*sizes), alphas)]

    class mistakes:
        rank_forgotten = lambda W, A, B, alpha: W + alpha * B @ A
        alpha_forgotten = lambda W, A, B, alpha: W + B @ A / len(A)
        no_scale = lambda W, A, B, alpha: W + B @ A
        root_of_rank = lambda W, A, B, alpha: W + alpha / len(A) ** 0.5 * B @ A
        divided_by_in = lambda W, A, B, alpha: W + alpha / A.shape[1] * B @ A
        twice = lambda W, A, B, alpha: W + 2 * alpha / len(A) * B @ A
        only_update = lambda W, A, B, alpha: alpha / len(A) * B @ A
        base = lambda W, A, B, alpha: 1 * W
        taken_out = lambda W, A, B, alpha: W - alpha / len(A) * B @ A
        all_scaled = lambda W, A, B, alpha: alpha / len(A) * (W + B @ A)

    class alternatives:
        library = lambda W, A, B, alpha: torch.addmm(W, B, A, alpha=alpha / A.shape[0])
        by_columns = lambda W, A, B, alpha: lora_forward(torch.eye(W.shape[1]), W, A, B, alpha).T


def instruction_labels(prompt, answer):
    """What is to be learned from each token of prompt + answer + end: the token itself, or -100 where the loss doesn't look.

    prompt, answer: lists of numbers of tokens, without the end; the end of an answer is token 2, <|im_end|>.  Returns a list.
    Not shifted: the loss compares the prediction at a position with the label at the next one.
    """
    return [-100] * len(prompt) + answer + [2]


@EXERCISES.declare(instruction_labels)
class _:
    def cases():
        return [
            ([11, 12, 13], [31, 21]),
            ([5, 9, 5, 8, 7], [6]),
            ([40], [44, 41, 43, 42]),
            ([2, 17, 2, 18], [33, 30, 30]),
        ]

    class mistakes:
        prompt_in_the_loss = lambda prompt, answer: prompt + answer + [2]
        no_end = lambda prompt, answer: [-100] * len(prompt) + answer
        end_not_learned = lambda prompt, answer: [-100] * len(prompt) + answer + [-100]
        shifted = lambda prompt, answer: [-100] * (len(prompt) - 1) + answer + [2, -100]
        shifted_back = lambda prompt, answer: [-100] * (len(prompt) + 1) + answer
        zeros = lambda prompt, answer: [0] * len(prompt) + answer + [2]
        prompt_dropped = lambda prompt, answer: answer + [2]
        answer_ignored = lambda prompt, answer: prompt + [-100] * (len(answer) + 1)
        end_first = lambda prompt, answer: [-100] * len(prompt) + [2] + answer
        end_of_prompt_too = lambda prompt, answer: [-100] * (len(prompt) - 1) + prompt[-1:] + answer + [2]  # fmt: skip

    class alternatives:
        def loop(prompt, answer):
            tokens = prompt + answer + [2]
            return [t if i >= len(prompt) else -100 for i, t in enumerate(tokens)]

        def tensor(prompt, answer):
            labels = torch.tensor([*prompt, *answer, 2])
            labels[: len(prompt)] = -100
            return labels


def dpo_loss(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta):
    """Direct preference optimisation (Rafailov et al. 2023, equation 7): mean of -ln sigmoid(beta * margin).

    Log-probabilities, (batch,), of the preferred and of the other answer under the model that is trained and under the frozen one from
    which it started.  margin: how much more the policy has raised the chosen answer than the rejected one.  beta: a number.
    """
    margin = (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)
    return -F.logsigmoid(beta * margin).mean()


def _preference(pc, pr, rc, rr, beta, link=F.logsigmoid):
    return -link(beta * ((pc - rc) - (pr - rr))).mean()


@EXERCISES.declare(dpo_loss, differentiable=("policy_chosen", "policy_rejected"))
class _:
    def cases():
        def answers(n, seed):
            return [-5 + normal(n, seed=seed + i, scale=2.0) for i in range(4)]

        same = answers(3, 30)
        return [
            (*answers(4, 1), 0.1),
            (*answers(7, 10), 0.5),
            (*answers(1, 20), 2.0),
            (*same[:2], *same[:2], 0.3),
        ]

    class mistakes:
        sign = lambda pc, pr, rc, rr, beta: _preference(pr, pc, rr, rc, beta)
        positive = lambda pc, pr, rc, rr, beta: -_preference(pc, pr, rc, rr, beta)
        no_reference = lambda pc, pr, rc, rr, beta: _preference(pc, pr, 0 * rc, 0 * rr, beta)
        reference_added = lambda pc, pr, rc, rr, beta: _preference(pc, pr, -rc, -rr, beta)
        only_chosen = lambda pc, pr, rc, rr, beta: _preference(pc, rr, rc, rr, beta)
        no_beta = lambda pc, pr, rc, rr, beta: _preference(pc, pr, rc, rr, 1.0)
        beta_outside = lambda pc, pr, rc, rr, beta: beta * _preference(pc, pr, rc, rr, 1.0)
        divided_by_beta = lambda pc, pr, rc, rr, beta: _preference(pc, pr, rc, rr, 1 / beta)
        no_logarithm = lambda pc, pr, rc, rr, beta: _preference(pc, pr, rc, rr, beta, torch.sigmoid)
        linear = lambda pc, pr, rc, rr, beta: _preference(pc, pr, rc, rr, beta, torch.clone)
        summed = lambda pc, pr, rc, rr, beta: len(pc) * _preference(pc, pr, rc, rr, beta)
        unreduced = lambda pc, pr, rc, rr, beta: -F.logsigmoid(beta * (pc - rc - pr + rr))
        mean_first = lambda pc, pr, rc, rr, beta: -F.logsigmoid(beta * (pc - rc - pr + rr).mean())
        rejected_detached = lambda pc, pr, rc, rr, beta: _preference(pc, pr.detach(), rc, rr, beta)

    class alternatives:
        softplus = lambda pc, pr, rc, rr, beta: F.softplus(beta * (pr - rr - pc + rc)).mean()
        log = lambda pc, pr, rc, rr, beta: -torch.log(torch.sigmoid(beta * (pc - pr) - beta * (rc - rr))).mean()  # fmt: skip
        library = lambda pc, pr, rc, rr, beta: F.binary_cross_entropy_with_logits(beta * (pc - pr - rc + rr), torch.ones_like(pc))  # fmt: skip


def training_bytes(parameters, trained, bytes_per, adam):
    """Bytes of memory that training needs beside the activations: weights, gradients, and the moments of Adam.

    parameters: number of all weights; trained: of those that are trained, the others are frozen; bytes_per: of a weight, and of a
    gradient.  adam: True or False; its two moments of each trained weight are kept in float32.
    """
    return parameters * bytes_per + trained * (bytes_per + 8 * adam)


@EXERCISES.declare(training_bytes)
class _:
    def cases():
        return [
            (1000, 1000, 2, True),
            (1000, 1000, 4, False),
            (135_000_000, 460_800, 2, True),
            (500, 20, 4, True),
            (70, 7, 2, False),
            (64, 0, 2, True),
        ]

    class mistakes:
        no_moments = lambda n, trained, size, adam: (n + trained) * size
        always_moments = lambda n, trained, size, adam: n * size + trained * (size + 8)
        one_moment = lambda n, trained, size, adam: n * size + trained * (size + 4 * adam)
        small_moments = lambda n, trained, size, adam: n * size + trained * size * (1 + 2 * adam)
        moments_of_frozen = lambda n, trained, size, adam: (n + trained) * size + n * 8 * adam
        all_gradients = lambda n, trained, size, adam: 2 * n * size + trained * 8 * adam
        all_trained = lambda n, trained, size, adam: training_bytes(n, n, size, adam)
        no_gradients = lambda n, trained, size, adam: n * size + trained * 8 * adam
        frozen_are_free = lambda n, trained, size, adam: trained * (2 * size + 8 * adam)
        bits = lambda n, trained, size, adam: 8 * training_bytes(n, trained, size, adam)
        only_weights = lambda n, trained, size, adam: n * size

    class alternatives:
        def by_kind(n, trained, size, adam):
            kinds = {"weights": n * size, "gradients": trained * size}
            if adam:
                kinds |= {"first moment": 4 * trained, "second moment": 4 * trained}
            return sum(kinds.values())
