"""No wrong answer passes a check: every reference with one spot changed, mechanically, is rejected.

A mutant that ``check()`` accepts is equivalent to the reference, and then stands in EQUIVALENT with the reason, or it shows a case that the
exercise lacks.
"""

import ast
import copy
import dataclasses
import inspect
import random
import textwrap

import pytest
import torch

from course_utils.exercises import all_exercises
from course_utils.exercises.engine import judge
from course_utils.exercises.values import canonical, same
from course_utils.texts import load

EXERCISES = all_exercises()
NAMES = sorted(EXERCISES)
FEWEST = 15  # mutants an exercise

COMPARE = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq, ast.LtE, ast.GtE),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
}
OPERATORS = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult, ast.Sub),
    ast.FloorDiv: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
}
CALLS = {
    "sum": ("mean", "prod"),
    "mean": ("sum", "median"),
    "std": ("var",),
    "var": ("std",),
    "min": ("max",),
    "max": ("min",),
    "log": ("log2", "log1p"),
    "log2": ("log", "log10"),
    "log10": ("log", "log2"),
    "log1p": ("log",),
    "exp": ("exp2", "expm1"),
    "softmax": ("log_softmax",),
    "log_softmax": ("softmax",),
    "logsumexp": ("amax",),
    "floor": ("ceil", "round"),
    "tanh": ("sigmoid",),
    "square": ("abs",),
    "abs": ("square",),
    "combinations": ("permutations",),
    "end": ("start",),
    "total": ("__len__",),
    "topk": ("sort",),
    "zeros": ("ones",),
    "softplus": ("relu", "sigmoid", "logsigmoid"),
    "logsigmoid": ("sigmoid", "softplus"),
    "expm1": ("exp",),
    "eigvals": ("svdvals",),
    "cumsum": ("cumprod",),
    "norm": ("sum",),
}
SAME_NUMBERS = {
    "float",
    "double",
    "int",
    "to",
    "detach",
}  # check() itself gives an answer the reference's form
SYMMETRIC = {"min", "max"}
SHAPES = {"len", "full_like", "reshape"}  # what they look at is no number of the argument
ORDERED = (ast.Sub, ast.Div, ast.FloorDiv, ast.MatMult, ast.Pow)


def variants(node):
    """What stands in the place of a node in mutants of it."""
    match node:
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            for other in (value + 1, value - 1, 2 * value, 0.5 * value, 0):
                yield ast.Constant(type(value)(other))
        case ast.Constant(value=str()):
            yield ast.Constant("")
        case ast.Compare(left, [op], right):
            yield from (ast.Compare(left, [other()], right) for other in COMPARE[type(op)])
        case ast.BinOp(left, op, right):
            yield from (ast.BinOp(left, other(), right) for other in OPERATORS[type(op)])
            yield from (left, right)
            if isinstance(op, ORDERED):
                yield ast.BinOp(right, op, left)
        case ast.AugAssign(target, op, value):
            yield from (ast.AugAssign(target, other(), value) for other in OPERATORS[type(op)])
            yield ast.Assign([target], value, lineno=0)
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.IfExp(body=body, orelse=orelse):
            yield from (body, orelse)
        case ast.If() | ast.Assign(targets=[ast.Subscript()]):
            yield ast.Pass()
        case ast.comprehension(target, values, [_]):
            yield ast.comprehension(target, values, [], 0)
        case ast.Slice(lower, upper, None):
            yield ast.Slice(upper, lower)
            for by in (1, -1):
                yield from (
                    ast.Slice(_moved(lower, by), upper),
                    ast.Slice(lower, _moved(upper, by)),
                )
        case ast.Return(value) if ast.unparse(value) != "0.0":
            for text in ("-({})", "2 * ({})", "({}) + 1"):
                yield ast.Return(_parse(text.format(ast.unparse(value))))
        case ast.Call(func, args, keywords):
            yield from _calls(func, args, keywords)


def _calls(func, args, keywords):
    name = _name(func)
    for other in CALLS.get(name, ()):
        changed = copy.deepcopy(func)
        changed.attr = changed.id = other
        yield ast.Call(changed, args, keywords)
    if name in SAME_NUMBERS:
        return
    if isinstance(func, ast.Attribute):
        yield func.value  # x.abs() -> x
    yield from args[:1]  # torch.abs(x) -> x
    if len(args) > 1 and name not in SYMMETRIC:
        yield ast.Call(func, [args[1], args[0], *args[2:]], keywords)
    for i in range(len(args)):
        yield ast.Call(func, args[:i] + args[i + 1 :], keywords)
    for i in range(len(keywords)):
        yield ast.Call(func, args, keywords[:i] + keywords[i + 1 :])


def _moved(edge, by):
    return ast.Constant(by) if edge is None else ast.BinOp(edge, ast.Add(), ast.Constant(by))


def _parse(text):
    return ast.parse(text, mode="eval").body


def _of_names(node, parent, names, arguments):
    """What stands in the place of a variable."""
    yield from (_parse(text.format(node.id)) for text in ("{}[1:]", "{}[:-1]"))
    if node.id in arguments:
        others = ("{}.unique()", "-{}", "0.5 * {}", "sorted({})")
        yield from (
            _parse(text.format(node.id)) for text in others[: 1 if _looks_at_shape(parent) else 4]
        )
    if not _is_power(parent):  # 2 ** (2 ** 60) doesn't end
        yield from (ast.Name(other) for other in names if other != node.id)


def _is_power(node):
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)


def _looks_at_shape(node):
    return isinstance(node, ast.Call) and _name(node.func) in SHAPES


def _name(func):
    return func.attr if isinstance(func, ast.Attribute) else ast.unparse(func)


def _silent(parent, node, other):
    """Whether what surrounds a change undoes it: a sign under a square or an absolute value, a factor before a comparison with 0."""
    match node, other:
        case ast.Name(), ast.UnaryOp():
            return _is_even(parent)
        case ast.BinOp(left, ast.Sub(), right), ast.BinOp():
            return (other.left, other.right) == (right, left) and _is_even(parent)
        case ast.Name(), ast.BinOp():
            return _asks_for_a_sign(parent)
    return False


def _is_even(parent):
    match parent:
        case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=2)):
            return True
        case ast.Attribute(attr="abs" | "square") | ast.Call(func=ast.Name(id="abs")):
            return True
    return False


def _asks_for_a_sign(parent):
    match parent:
        case (
            ast.Compare(comparators=[ast.Constant(value=0)])
            | ast.Call(func=ast.Attribute(attr="sign"))
        ):
            return True
    return False


def _is_guard(node):
    """Whether this refuses arguments that make no sense: answers need not."""
    return isinstance(node, ast.If) and isinstance(node.body[0], ast.Raise)


def mutants(function):
    """(source, function) of every mutant of a function, in a fixed order."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    (definition,) = tree.body
    arguments = list(inspect.signature(function).parameters)
    stored = [
        n.id
        for n in ast.walk(definition)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    ]
    names = list(dict.fromkeys(arguments + stored))
    seen = {ast.unparse(tree)}
    for parent, place, key in _places(definition.body):
        node = place[key]
        found = list(variants(node))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
            found += _of_names(node, parent, names, arguments)
        for other in found:
            if _silent(parent, node, other):
                continue
            place[key] = other
            source = ast.unparse(tree)
            if source not in seen:
                seen.add(source)
                yield source, _compiled(source, function)
        place[key] = node


def _places(body):
    """(parent, container, key) of every node of a function's body, the docstring and guards apart."""
    todo = [(None, body, i) for i in range(1, len(body)) if not _is_guard(body[i])]
    for parent, place, key in todo:
        yield parent, place, key
        node = place[key]
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                todo.append((node, vars(node), field))
            elif isinstance(value, list):
                todo += [(node, value, i) for i in range(len(value))]


def _compiled(source, function):
    space = dict(function.__globals__)
    exec(compile(source, "<mutant>", "exec"), space)
    return space[function.__name__]


def changed(source, function):
    """The lines of a mutant that the function hasn't, in one."""
    own = ast.unparse(ast.parse(textwrap.dedent(inspect.getsource(function)))).splitlines()
    return " ".join(line.strip() for line in source.splitlines() if line not in own)


def accepted(exercise):
    """(changed lines of the mutants that check() accepts, number of all mutants)."""
    texts = load("exercises", EXERCISES[exercise.name][1])[exercise.name]
    found = list(mutants(exercise.reference))
    right = [s for s, mutant in found if judge(exercise, mutant, texts).status == "right"]
    return [changed(source, exercise.reference) for source in right], len(found)


ONE_AXIS = "the logits have one axis"
BROADCAST = "broadcasting puts the missing axis back"
NEVER_EQUAL = "numbers with a fraction don't hit the limit exactly"
NO_DIVISION_BY_ZERO = "the condition only has to fail where both totals are 0"
OVERWRITTEN = "the centre is written over in the next line"
ONLY_ITS_SHAPE = "only the shape is looked at"


def _other_shapes(line, image, twin):
    """Changes of an image in ``line`` that leave its number of dimensions as it is."""
    same = f"(-{image})", f"(0.5 * {image})", f"{image}[1:]", f"{image}[:-1]", twin
    return {line.replace("IMAGE", change): ONLY_ITS_SHAPE for change in same}


EQUIVALENT = {
    "add_noise": _other_shapes("a = alpha_bar.view(-1, *[1] * (IMAGE.dim() - 1))", "x0", "noise"),
    "ddim_step": _other_shapes("a_t, a_s = (a.view(-1, *[1] * (IMAGE.dim() - 1)) for a in (alpha_bar_t, alpha_bar_s))", "x_t", "noise"),
    "euler_step": _other_shapes("dt = torch.as_tensor(dt).view(-1, *[1] * (IMAGE.dim() - 1))", "x", "velocity"),
    "guided": _other_shapes("scale = torch.as_tensor(scale).view(-1, *[1] * (IMAGE.dim() - 1))", "cond", "uncond"),
    "predict_x0": _other_shapes("a = alpha_bar.view(-1, *[1] * (IMAGE.dim() - 1))", "x_t", "noise"),
    "alpha_bar": {"return torch.cumprod(1 - betas, -1)": "there is one axis"},
    "active_units": {
        "return int((mu.var(0) >= 0.01).sum())": NEVER_EQUAL,
        "return int(((-mu).var(0) > 0.01).sum())": "a variance has no sign",
    },
    "calibration_error": {
        "gap = confidence[inside].mean() - right[inside].float().mean()": "its size counts"
    },
    "amplification": {
        "hit, false = (named[true >= 1].mean(), named[true == 0].mean())": "a label is 0 or 1",
        "hit, false = (named[true == 1].mean(), named[true <= 0].mean())": "a label is 0 or 1",
        "of_said, of_hit, of_false, of_share = [p * (1 - p) / n for p, n in ((said, len(samples)), (hit, true.sum()), (false, (1 - true).sum()), (share, len(named)))]": "of each image both are known",
        "of_said, of_hit, of_false, of_share = [p * (1 - p) / n for p, n in ((said, len(samples)), (hit, true.sum()), (false, (1 - true).sum()), (share, len(labels)))]": "of each image both are known",
    },
    "binomial_sign_test": {
        "ways = sum((math.comb(trials, k) for k in range(trials + 2) if abs(k - trials / 2) >= far))": "there are 0 ways to win more than all trials",
    },
    "bits_per_dim": {
        "return float(nats.mean()) / math.prod(sorted(image_shape)) / math.log(2)": "a product has no order",
    },
    "bleu": {
        "if matches <= 0:": "a count isn't negative",
        "matches = sum((min(c, m) for c, m in zip(most, counts.values())))": "min has no order",
        "closest = min(((abs(len(r) - len(candidate)), len(r)) for r in sorted(references)))[1]": "references have no order",
        "most = [max((ngrams(r, n)[g] for r in sorted(references))) for g in counts]": "references have no order",
    },
    "bradley_terry_step": {
        "expected = (games / (strengths[:, None] + strengths[None, :])).mean(1)": "a factor for all is scaled away",
        "expected = (games / (strengths[:, None] + strengths[None, :])).sum(0)": "games and sums are symmetric",
        "new = (0.5 * wins).sum(1) / expected": "a factor for all is scaled away",
        "new = wins.mean(1) / expected": "a factor for all is scaled away",
    },
    "causal_mask": {"return torch.ones(n, n).tril()": "check() gives an answer the reference's form"},
    "chain_log_probability": {
        "return sum((math.log2(conditional(x[:-1][:j])[x[j]]) for j in range(len(x))))": "j ends before the last symbol",
    },
    "bm25": {
        "for word in sorted(query):": "a sum has no order",
        "idf = math.log(1 + (len(scores) - n + 0.5) / (n + 0.5))": "a score for each document",
        "k1, b, mean = (1.5, 0.75, fmean(map(len, sorted(documents))))": "a mean has no order",
        "n = sum((word in d for d in sorted(documents)))": "a sum has no order",
    },
    "cohen_kappa": {
        "chance = sum((x == y for x in a for y in sorted(b))) / n ** 2": "all pairs are counted, in any order",
        "chance = sum((x == y for x in sorted(a) for y in b)) / n ** 2": "all pairs are counted, in any order",
        "n = len(b)": "both raters judge the same items",
        "observed = sum((x == y for x, y in zip(a, b))) / n": "both raters judge the same items",
        "observed = sum((x == y for x, y in zip(a, b, strict=False))) / n": "both raters judge the same items",
        "observed = sum((x == y for x, y in zip(b, a, strict=True))) / n": "equality is symmetric",
    },
    "discretized_logistic": {
        "return torch.where(x <= -0.999, first, torch.where(x > 0.999, last, inside))": "no level lies there",
        "return torch.where(x < -0.999, first, torch.where(x >= 0.999, last, inside))": "no level lies there",
    },
    "exposure": {
        "rank = 1 + (others <= loss.unique()).sum()": "the loss is one number",
    },
    "frechet_distance": {
        "eigenvalues = torch.linalg.eigvals(cov2 @ cov1).real.clamp(min=0)": "both products have the same eigenvalues",
    },
    "gaussian_mle": {"variance = ((sorted(x) - mean) ** 2).mean()": "a mean has no order"},
    "kernel_distance": {
        "xx, yy, xy = (kernel(x, x), kernel(y, y), kernel(y, x))": "a mean doesn't ask for the transpose",
    },
    "image_log_likelihood": {
        "per_pixel = torch.where(x >= 1, torch.log(p), torch.log(1 - p))": "a pixel is 0 or 1",
    },
    "inception_score": {
        "marginal = probs.mean(0)": BROADCAST,
        "marginal = probs.mean(0, keepdim=False)": BROADCAST,
        "kl = (torch.xlogy(probs, probs) - torch.xlogy(marginal, marginal)).sum(1)": "the mean over the images is taken earlier",
    },
    "lora_init": {
        f"return (noise / {other}.shape[1] ** 0.5, torch.zeros(len(W), len(noise)))": "as many columns"
        for other in ("(-W)", "(0.5 * W)", "W[1:]", "W[:-1]", "noise")
    },
    "merge_heads": {
        "batch, heads, time, width = (-x).shape": ONLY_ITS_SHAPE,
        "batch, heads, time, width = (0.5 * x).shape": ONLY_ITS_SHAPE,
        "return x.transpose(2, 1).reshape(batch, time, heads * width)": "two axes change places",
    },
    "mixture_log_prob": {
        "log_weights = torch.log_softmax(logits, dim=-1)": ONE_AXIS,
        "z = (mu - x[:, None]) / sigma": "z is squared",
        "z = (x[:, None] - mu) / -sigma": "z is squared",
    },
    "monte_carlo": {
        "standard_error = values.std() / len(samples) ** 0.5": "a value for each sample",
    },
    "mu_law_encode": {
        "return ((y + 1) / 2 * mu + 0.5).to(torch.int64)": "rounds down itself: never negative",
    },
    "mutual_information": {
        "independent = joint.sum(1, keepdim=True) * joint.sum(0)": BROADCAST,
        "independent = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=False)": BROADCAST,
    },
    "next_probabilities": {
        "return torch.softmax(allowed / temperature, dim=-1)": "logits have one dimension",
    },
    "raster_mask": {
        "mask[middle, middle] = kind >= 'B'": "kind is A or B",
        "middle = -kernel_size // 2": "the same row, counted from the end",
        "mask[:-1][:middle] = 1": "the last row is below the centre",
        "mask[middle, :middle + 1] = 1": OVERWRITTEN,
    },
    "retrieve": {
        "lengths = (-documents).norm(dim=-1)": "a length has no sign",
        "lengths = (0.5 * documents).norm(dim=-1)": "a factor for all changes no order",
        "lengths = documents.norm(dim=1)": "the last of two axes",
        "return (0.5 * documents @ query / lengths).topk(k).indices": "a factor for all changes no order",
        "return (documents @ (0.5 * query) / lengths).topk(k).indices": "a factor for all changes no order",
    },
    "rotate": {
        "half = x[1:].shape[-1] // 2": ONLY_ITS_SHAPE,
        "half = x[:-1].shape[-1] // 2": ONLY_ITS_SHAPE,
        "half = (-x).shape[-1] // 2": ONLY_ITS_SHAPE,
        "half = (0.5 * x).shape[-1] // 2": ONLY_ITS_SHAPE,
    },
    "rouge_l": {
        "row = [0] * (len(reference) + 2)": "the entry behind the end is never read",
        "row.append(before[:-1][j] + 1 if word == other else max(row[j], before[j + 1]))": "j ends before the last entry",
        "return 2 * common / (len(candidate) + len(reference)) if candidate else 0.0": NO_DIVISION_BY_ZERO,
        "return 2 * common / (len(candidate) + len(reference)) if reference else 0.0": NO_DIVISION_BY_ZERO,
    },
    "last_state": {"return h[torch.arange(len(lengths)), lengths - 1]": "as many rows as lengths"},
    "rouge_n": {
        f"return 2 * common / (a.total() + b.total()) if {name} else 0.0": NO_DIVISION_BY_ZERO for name in ("a", "b")
    },
    "rouge_s": {
        f"return 2 * common / (a.total() + b.total()) if {name} else 0.0": NO_DIVISION_BY_ZERO for name in ("a", "b")
    },
    "scaled_dot_product_attention": {
        "scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])": "two axes change places",
        "scores = q @ k.transpose(-2, -1) / math.sqrt(q[1:].shape[-1])": ONLY_ITS_SHAPE,
        "scores = q @ k.transpose(-2, -1) / math.sqrt(q[:-1].shape[-1])": ONLY_ITS_SHAPE,
        "scores = q @ k.transpose(-2, -1) / math.sqrt((-q).shape[-1])": ONLY_ITS_SHAPE,
        "scores = q @ k.transpose(-2, -1) / math.sqrt((0.5 * q).shape[-1])": ONLY_ITS_SHAPE,
        "scores = q @ k.transpose(-2, -1) / math.sqrt(k.shape[-1])": "queries and keys are as wide",
    },
    "split_heads": {
        "batch, time, width = (-x).shape": ONLY_ITS_SHAPE,
        "batch, time, width = (0.5 * x).shape": ONLY_ITS_SHAPE,
        "return x.view(batch, time, heads, width // heads).transpose(2, 1)": "two axes change places",
    },
    "sample_pixels": {"return (noise <= p).float()": NEVER_EQUAL},
    "top_p_filter": {"dropped = (before > p) & (p < 1)": NEVER_EQUAL},
    "write_tokens": {"new.append(draw(logits[-1, -1]))": "a batch of one"},
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_no_mutant_of_the_reference_passes(name):
    found, number = accepted(EXERCISES[name][0])
    assert number >= FEWEST
    wrong = sorted(set(found) - set(EQUIVALENT.get(name, {})))
    assert not wrong, f"{name} lacks a case that rejects {wrong}"
    refused = sorted(set(EQUIVALENT.get(name, {})) - set(found))
    assert not refused, f"EQUIVALENT lists what {name} rejects, or what is no mutant: {refused}"


def test_a_missing_case_is_noticed():
    """With its first case only, of probabilities that are all the same, entropy accepts a lot."""
    exercise = EXERCISES["entropy"][0]
    found, _ = accepted(dataclasses.replace(exercise, cases=lambda: exercise.cases()[:1]))
    assert "return -(p * torch.log2(p)).prod()" not in found
    assert "return -(p * torch.log10(p)).sum()" not in found
    assert "p = p[p >= 0]" in found


def test_mutants_come_in_a_fixed_order():
    reference = EXERCISES["kl_gaussian"][0].reference
    assert [s for s, _ in mutants(reference)] == [s for s, _ in mutants(reference)]


# --- equivalent on sensible input --------------------------------------------------------------------------------------


def _words(draw, most=9):
    return [draw.choice("abcd") for _ in range(draw.randint(0, most))]


def _gaussian(draw):
    d = 3
    root = torch.randn(d, d, dtype=torch.float64)
    return torch.randn(d, dtype=torch.float64), root @ root.T


def _table(*shape):
    return torch.softmax(3 * torch.randn(shape).flatten(), 0).reshape(shape)


def _levels(n):
    return torch.randint(0, 256, (n,)).double() / 127.5 - 1


def _conditional(past):
    return [0.5, 0.3, 0.2] if sum(past) % 2 else [0.1, 0.2, 0.7]


def _next_number(x, state):
    return torch.eye(7)[(x + 1) % 7], state


def _images(draw, n):
    """n batches of the same shape and, last, a level of each image."""
    shape = draw.randint(2, 5), 1, 3, draw.randint(2, 4)
    return *torch.randn(n, *shape), 0.05 + 0.9 * torch.rand(shape[0])


SENSIBLE = {  # exercise -> random arguments
    "add_noise": lambda draw: _images(draw, 2),
    "alpha_bar": lambda draw: (torch.rand(draw.randint(1, 20)),),
    "ddim_step": lambda draw: (*(found := _images(draw, 2)), found[-1].sqrt()),
    "euler_step": lambda draw: _images(draw, 2),
    "guided": lambda draw: _images(draw, 2),
    "predict_x0": lambda draw: _images(draw, 2),
    "active_units": lambda draw: (torch.randn(draw.randint(2, 50), 6) * torch.logspace(-2, 1, 6),),
    "binomial_sign_test": lambda draw: (draw.randint(0, (n := draw.randint(1, 80))), n),
    "bits_per_dim": lambda draw: (90 + torch.randn(5), (draw.randint(1, 3), draw.randint(1, 32), 28)),
    "bleu": lambda draw: (_words(draw), [_words(draw) for _ in range(draw.randint(1, 3))]),
    "bradley_terry_step": lambda draw: (torch.rand(4).double() + 0.1, (torch.rand(4, 4).double() + 0.1) * (1 - torch.eye(4).double())),
    "causal_mask": lambda draw: (draw.randint(1, 9),),
    "chain_log_probability": lambda draw: (_conditional, [draw.randint(0, 2) for _ in range(draw.randint(0, 9))]),
    "bm25": lambda draw: (_words(draw), [["a", *_words(draw)] for _ in range(draw.randint(1, 5))]),
    "cohen_kappa": lambda draw: tuple([draw.choice("abc") for _ in range(9)] + ["a", c] for c in "ab"),
    "discretized_logistic": lambda draw: (_levels(9), torch.randn(9).double(), torch.randn(9).double() - 2),
    "frechet_distance": lambda draw: (*_gaussian(draw), *_gaussian(draw)),
    "gaussian_mle": lambda draw: ((draw.uniform(-3, 3) + torch.randn(draw.randint(1, 30))).numpy(),),
    "image_log_likelihood": lambda draw: ((torch.rand(20) < 0.5).float(), torch.rand(20)),
    "inception_score": lambda draw: (torch.softmax(2 * torch.randn(draw.randint(1, 20), draw.randint(2, 8)), 1),),
    "lora_init": lambda draw: (torch.randn(draw.randint(2, 9), n := draw.randint(1, 9)), torch.randn(draw.randint(1, 4), n)),
    "merge_heads": lambda draw: (torch.randn(2, draw.randint(1, 4), draw.randint(1, 6), 3),),
    "mixture_log_prob": lambda draw: (3 * torch.randn(draw.randint(1, 9)), torch.randn(4), torch.randn(4), torch.rand(4) + 0.1),
    "monte_carlo": lambda draw: (torch.square, torch.randn(draw.randint(2, 90))),
    "exposure": lambda draw: (torch.randn(()), torch.randn(draw.randint(1, 9))),
    "amplification": lambda draw: (torch.stack([torch.arange(20) < 8, torch.rand(20) < 0.5], 1), torch.rand(9) < 0.5),
    "mu_law_encode": lambda draw: (2 * torch.rand(50) - 1, draw.choice([3, 15, 255])),
    "mutual_information": lambda draw: (_table(draw.randint(1, 5), draw.randint(1, 5)),),
    "next_probabilities": lambda draw: (2 * torch.randn(n := draw.randint(2, 30)), draw.uniform(0.2, 3), draw.randrange(n)),
    "raster_mask": lambda draw: (2 * draw.randint(0, 9) + 1, draw.choice("AB")),
    "retrieve": lambda draw: (torch.randn(5), torch.randn(n := draw.randint(2, 9), 5), draw.randint(1, n)),
    "rotate": lambda draw: (torch.randn(3, n := draw.randint(1, 9), 6), torch.arange(n)),
    "rouge_l": lambda draw: (_words(draw), _words(draw)),
    "rouge_n": lambda draw: (_words(draw), _words(draw), draw.randint(1, 4)),
    "rouge_s": lambda draw: (_words(draw), _words(draw)),
    "scaled_dot_product_attention": lambda draw: (*torch.randn(3, 2, n := draw.randint(1, 6), 4), torch.ones(n, n).tril().bool()),
    "split_heads": lambda draw: (torch.randn(2, draw.randint(1, 6), 12), draw.choice([1, 2, 3, 4])),
    "kernel_distance": lambda draw: (torch.randn(draw.randint(2, 9), 4).double(), torch.randn(draw.randint(2, 9), 4).double()),
    "last_state": lambda draw: (torch.randn(3, 5, 2), torch.tensor([draw.randint(1, 5) for _ in range(3)])),
    "sample_pixels": lambda draw: (torch.rand(4, 9), torch.rand(4, 9)),
    "top_p_filter": lambda draw: (3 * torch.randn(draw.randint(2, 30)), draw.choice([0.0, draw.random(), 1.0])),
    "calibration_error": lambda draw: (torch.rand(30), torch.randint(2, (30,)), draw.randint(1, 12)),
    "write_tokens": lambda draw: (_next_number, torch.argmax, [draw.randrange(7)], draw.randint(1, 9)),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(EQUIVALENT))
def test_what_is_listed_as_equivalent_is(name):
    reference, tolerance = EXERCISES[name][0].reference, EXERCISES[name][0].tolerance
    torch.manual_seed(5)
    draw = random.Random(5)
    for source, mutant in mutants(reference):
        if changed(source, reference) in EQUIVALENT[name]:
            for _ in range(200):
                args = SENSIBLE[name](draw)
                wanted, found = canonical(reference(*args), set()), canonical(mutant(*args), set())
                assert same(found, wanted, tolerance), (args, changed(source, reference))
