"""Exercises of lecture 13b, adapting language models, deeper: references, cases, and the answers that students really give."""

import torch
import torch.nn.functional as F

from .declare import Declarations, normal

EXERCISES = Declarations()


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
