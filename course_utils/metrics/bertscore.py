"""BERTScore with the course's own masked language model; see ``masked_lm`` for what that can't judge."""

from .masked_lm import embed
from .score import Score, greedy_match
from .tokens import paired, words


def bert_score(candidate, reference):
    """BERTScore: each token takes the most similar token of the other text, by cosine.  Zhang et al. 2020, section 3.

    candidate, reference: two texts (strings), whose words the course's masked language model embeds in their context, or embeddings of the
    tokens by any model, (m, d) and (n, d) -> Score(precision, recall, f), each -1..1, in practice 0..1.  Several candidate tokens may take
    the same reference token.  All tokens count alike, and no baseline is subtracted.
    Raises ValueError for other shapes, NaN, zero vectors, texts without words; CheckpointError without the model's files.
    """
    if isinstance(candidate, str) and isinstance(reference, str):
        for name, text in (("candidate", candidate), ("reference", reference)):
            if not words(text):
                raise ValueError(f"the {name} has no words: there is nothing to embed")
        candidate, reference = embed([candidate, reference])
    return greedy_match(candidate, reference)


def bert_scores(candidates, references):
    """BERTScore of many pairs of texts by the course's masked language model: two lists of strings -> list of Score.

    A candidate without words scores 0, as in ROUGE.  Raises ValueError for lists of different lengths, texts that are no strings and a
    reference without words; CheckpointError without the model's files.
    """
    pairs = list(paired(candidates, references))
    if not all(isinstance(c, str) and len(r) == 1 and isinstance(r[0], str) for c, r in pairs):
        raise ValueError("bert_scores judges strings, and each has one reference")
    for i, (_, (reference,)) in enumerate(pairs):
        if not words(reference):
            raise ValueError(f"reference {i} has no words: nothing can be judged by it")
    spoken = [i for i, (candidate, _) in enumerate(pairs) if words(candidate)]
    vectors = embed([pairs[i][0] for i in spoken] + [pairs[i][1][0] for i in spoken])
    scores = [Score(0.0, 0.0, 0.0)] * len(pairs)
    for i, a, b in zip(spoken, vectors, vectors[len(spoken) :]):
        scores[i] = greedy_match(a, b)
    return scores
