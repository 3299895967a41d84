"""Exercises of lab 04, words instead of characters: references, cases, and the answers that students really give."""

import math
import re

import numpy as np
import torch
import torch.nn.functional as F

from .declare import Declarations

EXERCISES = Declarations()
PATTERN = r" ?[A-Za-z']+| ?[^A-Za-z'\s]|\s"


def token_ends(text):
    """Where each token of the text ends: a list of positions, the last one len(text)."""
    return [found.end() for found in re.finditer(r" ?[A-Za-z']+| ?[^A-Za-z'\s]|\s", text)]


def _ends(pattern):
    return lambda text: [found.end() for found in re.finditer(pattern, text)]


@EXERCISES.declare(token_ends)
class _:
    def cases():
        return [
            ("HAMLET:\nTo be, or not to be.\n",),
            ("O, what's here? 'Tis but two words!",),
            ("ACT I, SCENE 2.\n\n[Enter GHOST]\nmy lord--  no more",),
            ("a",),
            ("the 2nd of 3",),
        ]

    class mistakes:
        starts = lambda text: [found.start() for found in re.finditer(PATTERN, text)]
        words_only = _ends(r"[A-Za-z']+")
        no_white_space = _ends(r" ?[A-Za-z']+| ?[^A-Za-z'\s]")
        space_apart = _ends(r"[A-Za-z']+|[^A-Za-z'\s]|\s")
        apostrophe = _ends(r" ?[A-Za-z]+| ?[^A-Za-z\s]|\s")
        lengths = lambda text: [len(token) for token in re.findall(PATTERN, text)]
        last_included = lambda text: [end - 1 for end in token_ends(text)]
        digits = _ends(r" ?[A-Za-z0-9']+| ?[^A-Za-z0-9'\s]|\s")
        characters = lambda text: list(range(1, len(text) + 1))

    class alternatives:
        def running_sum(text):
            ends, place = [], 0
            for token in re.findall(PATTERN, text):
                place += len(token)
                ends.append(place)
            return ends

        numpy = lambda text: np.cumsum([len(token) for token in re.findall(PATTERN, text)])


def encode_tokens(tokens, index, unknown):
    """The number of each token; ``unknown`` for a token that the dict ``index`` doesn't have."""
    return [index.get(token, unknown) for token in tokens]


@EXERCISES.declare(encode_tokens)
class _:
    def cases():
        index = {"the": 0, " king": 4, " is": 2, "\n": 7, "The": 5, ".": 6}
        return [
            (["the", " king", " is", " dead", ".", "\n", " the"], index, 8),
            (["The", " king", "."], index, 8),
            ([" long", " live", "the", " King"], index, 0),
            ([" is", " is", " is", " not"], index, 9),
        ]

    class mistakes:
        dropped = lambda tokens, index, unknown: [index[t] for t in tokens if t in index]
        zero = lambda tokens, index, unknown: [index.get(t, 0) for t in tokens]

        def grows(tokens, index, unknown):
            own = dict(index)
            return [own.setdefault(token, len(own) + 1) for token in tokens]

        stripped = lambda tokens, index, unknown: [index.get(t.strip(), unknown) for t in tokens]
        lower_case = lambda tokens, index, unknown: [index.get(t.lower(), unknown) for t in tokens]
        zero_as_false = lambda tokens, index, unknown: [index.get(t) or unknown for t in tokens]

        def second_try(tokens, index, unknown):
            return [index.get(t, index.get(t.strip(), unknown)) for t in tokens]

        all_unknown = lambda tokens, index, unknown: [unknown for _ in tokens]

    class alternatives:
        def loop(tokens, index, unknown):
            numbers = []
            for token in tokens:
                if token in index:
                    numbers.append(index[token])
                else:
                    numbers.append(unknown)
            return torch.tensor(numbers)

        numpy = lambda tokens, index, unknown: np.array([index.get(t, unknown) for t in tokens])


def to_streams(ids, rows):
    """Cut ids, shape (n,), into ``rows`` consecutive stretches (rows, n // rows); what is left over is dropped."""
    length = len(ids) // rows
    return ids[: rows * length].reshape(rows, length)


@EXERCISES.declare(to_streams)
class _:
    def cases():
        return [
            (torch.arange(12), 3),
            (torch.arange(17) + 5, 4),
            (torch.tensor([3, 1, 4, 1, 5, 1, 2]), 2),
            (torch.arange(10), 2),
            (torch.arange(100) * 3, 7),
        ]

    class mistakes:
        interleaved = lambda ids, rows: ids[: len(ids) // rows * rows].reshape(-1, rows).T
        transposed = lambda ids, rows: to_streams(ids, rows).T
        rows_are_length = lambda ids, rows: ids[: len(ids) // rows * rows].reshape(-1, rows)
        drops_the_beginning = lambda ids, rows: ids[len(ids) % rows :].reshape(rows, -1)
        one_short = lambda ids, rows: ids[: (len(ids) // rows - 1) * rows].reshape(rows, -1)

    class alternatives:
        def stack(ids, rows):
            length = len(ids) // rows
            return torch.stack([ids[i * length : (i + 1) * length] for i in range(rows)])

        def numpy(ids, rows):
            ids = np.asarray(ids)
            return ids[: len(ids) - len(ids) % rows].reshape(rows, -1)


def total_bits_per_char(token_nats, spelling_nats, chars):
    """Bits per character: all tokens' nats, shape (tokens,), and the nats of spelling unknown ones, (unknown,)."""
    return (token_nats.sum() + spelling_nats.sum()) / math.log(2) / chars


@EXERCISES.declare(total_bits_per_char)
class _:
    def cases():
        generator = torch.Generator().manual_seed(0)
        return [
            (5 * torch.rand(6, generator=generator), 20 * torch.rand(2, generator=generator), 31),
            (8 * torch.rand(40, generator=generator), 30 * torch.rand(5, generator=generator), 170),
            (torch.tensor([1.0, 2.0, 1.0]), torch.tensor([9.0, 9.0]), 12),
        ]

    class mistakes:
        unknown_for_free = lambda nats, spelling, chars: nats.sum() / math.log(2) / chars
        no_ln2 = lambda nats, spelling, chars: (nats.sum() + spelling.sum()) / chars

        def per_token(nats, spelling, chars):
            return (nats.sum() + spelling.sum()) / math.log(2) / len(nats)

        means = lambda nats, spelling, chars: (nats.mean() + spelling.mean()) / math.log(2)
        total = lambda nats, spelling, chars: (nats.sum() + spelling.sum()) / math.log(2)

    class alternatives:
        def log2_of_e(nats, spelling, chars):
            return float(torch.cat([nats, spelling]).sum()) * math.log2(math.e) / chars


def train_chunks(model, update, chunks):
    """Losses (nats/token) of truncated backpropagation through time: the state is carried from chunk to chunk, detached.

    model(x, state) -> logits (rows, time, V), state.  update(loss): makes one step, returns the loss as a number.
    chunks: x, y (rows, time) and fresh for each; fresh is True where a new pass begins, without a state.
    """
    losses, state = [], None
    for x, y, fresh in chunks:
        logits, state = model(x, None if fresh else state)
        state = tuple(s.detach() for s in state)
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        losses.append(update(loss))
    return losses


def _small_training(rows, length, passes=2):
    """A network of a few weights with its update, and chunks of a small text: arguments for one training."""
    generator = torch.Generator().manual_seed(rows)
    table, rnn, head = (
        torch.nn.Embedding(5, 4),
        torch.nn.LSTM(4, 6, batch_first=True),
        torch.nn.Linear(6, 5),
    )
    parts = torch.nn.ModuleList([table, rnn, head])
    with torch.no_grad():
        for weight in parts.parameters():
            weight.copy_(1.5 * torch.randn(weight.shape, generator=generator))
    optimizer = torch.optim.SGD(parts.parameters(), lr=0.5)

    def model(x, state=None):
        h, state = rnn(table(x), state)
        return head(h), state

    def update(loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    text = torch.randint(5, (rows, 3 * length + 1), generator=generator)
    chunks = []
    for i in [0, length, 2 * length] * passes:
        chunks.append((text[:, i : i + length], text[:, i + 1 : i + length + 1], i == 0))
    return model, update, chunks


def _unless_fresh(state, fresh):
    return None if fresh else state


def _training(carry=_unless_fresh, kept=torch.Tensor.detach, reduction="mean"):
    """train_chunks with one part of it changed."""

    def answer(model, update, chunks):
        losses, state = [], None
        for x, y, fresh in chunks:
            logits, new = model(x, carry(state, fresh))
            state = tuple(map(kept, new))
            loss = F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction=reduction)
            losses.append(update(loss))
        return losses

    return answer


@EXERCISES.declare(train_chunks)
class _:
    def cases():
        return [_small_training(2, 3), _small_training(1, 4), _small_training(3, 2, passes=3)]

    class mistakes:
        no_state = _training(carry=lambda state, fresh: None)
        never_fresh = _training(carry=lambda state, fresh: state)
        fresh_upside_down = _training(carry=lambda state, fresh: state if fresh else None)
        summed = _training(reduction="sum")
        graph_kept = _training(kept=lambda s: s)

        def no_update(model, update, chunks):
            return train_chunks(model, lambda loss: loss.item(), chunks)

        def inputs_as_targets(model, update, chunks):
            return train_chunks(model, update, [(x, x, fresh) for x, y, fresh in chunks])

    class alternatives:
        def by_hand(model, update, chunks):
            losses = []
            for x, y, fresh in chunks:
                if fresh:
                    h, c = None, None
                logits, (h, c) = model(x, None if h is None else (h.detach(), c.detach()))
                log_p = torch.log_softmax(logits, -1).gather(2, y[:, :, None])
                loss = -log_p.mean()
                losses.append(update(loss))
            return np.array(losses)


def next_probabilities(logits, temperature, banned):
    """Probabilities of the next token, shape (V,): softmax(logits / temperature), and 0 for the token number ``banned``."""
    allowed = logits.clone()
    allowed[banned] = -math.inf
    return torch.softmax(allowed / temperature, dim=0)


@EXERCISES.declare(next_probabilities)
class _:
    def cases():
        logits = torch.tensor([2.0, -1.0, 0.5, 3.0, 0.0])
        return [(logits, 1.0, 3), (logits, 0.5, 0), (logits, 2.0, 1), (-logits, 0.8, 4)]

    class mistakes:
        not_banned = lambda logits, temperature, banned: torch.softmax(logits / temperature, 0)
        no_temperature = lambda logits, temperature, banned: next_probabilities(logits, 1, banned)

        def multiplied(logits, temperature, banned):
            return next_probabilities(logits, 1 / temperature, banned)

        def zero_logit(logits, temperature, banned):
            return torch.softmax(torch.where(_is(banned, logits), 0.0, logits / temperature), 0)

        def not_shared_out(logits, temperature, banned):
            p = torch.softmax(logits / temperature, 0)
            return torch.where(_is(banned, logits), 0.0, p)

        def power_of_p(logits, temperature, banned):
            return next_probabilities(torch.softmax(logits, 0), temperature, banned)

        removed = lambda logits, temperature, banned: torch.softmax(
            logits[~_is(banned, logits)] / temperature, 0
        )

    class alternatives:
        def renormalised(logits, temperature, banned):
            p = np.exp((logits.numpy() - logits.numpy().max()) / temperature)
            p[banned] = 0
            return p / p.sum()


def _is(banned, logits):
    return torch.arange(len(logits)) == banned


def write_tokens(model, draw, ids, length):
    """``length`` new token numbers after the prompt ids, a list: the prompt warms up the state, then each token that was drawn is read.

    model(x, state) -> logits (1, time, V), state; x: (1, time).  draw(logits (V,)) -> int.
    """
    logits, state = model(torch.tensor([ids]), None)
    new = []
    for _ in range(length):
        new.append(draw(logits[0, -1]))
        logits, state = model(torch.tensor([[new[-1]]]), state)
    return new


def _counting_model(V):
    """A model without weights: its state is what it has read so far, in order, as a number modulo V, and that is the next token."""

    def model(x, state):
        states = [0 if state is None else state]
        for token in x[0].tolist():
            states.append((3 * states[-1] + token + 1) % V)
        return F.one_hot(torch.tensor([states[1:]]), V).float(), states[-1]

    return model


@EXERCISES.declare(write_tokens)
class _:
    def cases():
        return [
            (_counting_model(11), torch.argmax, [4, 1, 9], 6),
            (_counting_model(7), torch.argmax, [3], 5),
            (_counting_model(13), torch.argmax, [2, 2, 7, 1], 1),
        ]

    class mistakes:
        def with_prompt(model, draw, ids, length):
            return [*ids, *write_tokens(model, draw, ids, length)]

        def no_state(model, draw, ids, length):
            return write_tokens(lambda x, state: model(x, None), draw, ids, length)

        def first_place(model, draw, ids, length):
            return write_tokens(lambda x, s: _flipped(model, x, s), draw, ids, length)

        def last_of_prompt_only(model, draw, ids, length):
            return write_tokens(model, draw, ids[-1:], length)

        def everything_again(model, draw, ids, length):
            logits, state = model(torch.tensor([ids]), None)
            new = []
            for _ in range(length):
                new.append(draw(logits[0, -1]))
                logits, state = model(torch.tensor([[*ids, *new]]), state)
            return new

        same_again = lambda model, draw, ids, length: write_tokens(model, draw, ids, 1) * length

    class alternatives:
        def without_state(model, draw, ids, length):  # slow and right: reads everything each time
            text = list(ids)
            for _ in range(length):
                text.append(draw(model(torch.tensor([text]), None)[0][0, -1]))
            return text[len(ids) :]


def _flipped(model, x, state):
    logits, state = model(x, state)
    return logits.flip(1), state
