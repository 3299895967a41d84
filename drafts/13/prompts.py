"""Prompting, measured: python prompts.py valid|test OUT.json.  Prompts are fixed on valid articles and training pairs; run test once.

Tasks: capital (from the encyclopedia's descriptions), topic (one of four, from an article's first sentence), sum (two numbers of two digits).
Formats: plain (continuation), chat.  Shots: 0, 1, 4.  Wilson intervals.
"""
import sys, json, time, re, random, math
import torch
from course_utils import data, smollm
torch.set_num_threads(1)
split, out = sys.argv[1:3]
N = 120
arts = data.articles()
CAP = re.compile(r"^Capital(?: city| and (?:largest|most populous|second-largest|second-most populous) city)? of (?:the )?([A-Z][\w' -]+)$")
pairs = sorted({(m[1], a.title) for a in arts if (m := CAP.match(a.description)) and "," not in a.title})
random.Random(0).shuffle(pairs)
four = {"People": "person", "Geography": "place", "Biology and health sciences": "biology", "Technology": "technology"}
first = lambda a: a.text.split(". ")[0] + "."
topics = {s: [(first(a), four[a.topic]) for a in data.articles(s) if a.topic in four] for s in ("train", "valid", "test")}
r = random.Random(1)
sums = [((x := r.randint(10, 99), y := r.randint(10, 99)), str(x + y)) for _ in range(400)]
TASKS = {  # name: (examples, valid, test), sentence before the answer, question
    "capital": (pairs[:4], pairs[4:24], pairs[24:24 + N], "The capital of {0} is", "What is the capital of {0}? Answer with its name only."),
    "topic": (topics["train"], topics["valid"][:60], topics["test"][:N], "{0}\nThis is about a", "Is this about a person, a place, biology or technology? Answer with one word.\n{0}"),
    "sum": (sums[:4], sums[4:64], sums[64:64 + N], "{0[0]} + {0[1]} =", "What is {0[0]} + {0[1]}? Answer with the number only."),
}
def wilson(k, n, z=1.96):
    p = k / n; c = (p + z * z / 2 / n) / (1 + z * z / n); h = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    return c - h, c + h
model, tok = smollm.load(torch.bfloat16)
def turn(role, text): return [1, *tok.encode(f"{role}\n{text}"), 2, *tok.encode("\n")]
def shots_of(name, k):
    ex = TASKS[name][0]
    if name == "topic":  # one of each kind
        ex = [next(e for e in ex if e[1] == kind) for kind in four.values()]
    return ex[:k]
res = {}
for name, (_, valid, test, plain, ask) in TASKS.items():
    items = valid if split == "valid" else test
    for fmt in ("plain", "chat"):
        for k in (0, 1, 4):
            shown = shots_of(name, k)
            if fmt == "plain":
                prefix = tok.encode("".join(f"{plain.format(q)} {a}\n" for q, a in shown))
            else:
                prefix = turn("system", smollm.SYSTEM)
                for q, a in shown: prefix += turn("user", ask.format(q)) + turn("assistant", a)
            after = smollm.read(model, prefix) if prefix else None
            t, right, said = time.process_time(), 0, []
            for q, gold in items:
                own = tok.encode(plain.format(q)) if fmt == "plain" else turn("user", ask.format(q)) + [1, *tok.encode("assistant\n")]
                text = tok.decode(smollm.generate(model, own, 8 if fmt == "plain" else 16, after=after))
                line = text.strip().split("\n")[0].lower()
                ok = bool(re.search(rf"(?<!\w){re.escape(gold.lower())}(?!\w)", line)); right += ok
                said.append([str(q)[:40], gold, line[:60], ok])
            low, high = wilson(right, len(items))
            res[f"{name}/{fmt}/{k}"] = {"right": right, "n": len(items), "interval": [low, high], "cpu": time.process_time() - t, "said": said}
            print(f"{name:8} {fmt:5} {k} shots  {right}/{len(items)}  {low:.2f}-{high:.2f}  {time.process_time()-t:.0f} s", said[0], flush=True)
            json.dump(res, open(out, "w"), ensure_ascii=False, indent=1)
