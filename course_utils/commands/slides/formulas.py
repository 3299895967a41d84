"""Mathematics of the decks: LaTeX to MathML, by latex2mathml, with what it doesn't know said in another way."""

import html
import re
import xml.etree.ElementTree as ElementTree
from functools import cache

# what latex2mathml 3.81 doesn't know, said in another way
_INSTEAD = {
    r"\\(begin|end)\{aligned\}": r"\\\1{align*}",
    r"\\arg(?![A-Za-z])": r"\\operatorname{arg}\\,",
    **{
        rf"(\\[bB]igg?[lrm]?)\s*\\{name}(?![A-Za-z])": rf"\1{sign}"
        for name, sign in {"lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉"}.items()
    },
}


_MATHML = "http://www.w3.org/1998/Math/MathML"
_MI, _MO, _MN, _MROW = (f"{{{_MATHML}}}{name}" for name in ["mi", "mo", "mn", "mrow"])
_CLOSING = (")", "]", "}", "|", "⌋", "⌉", "‖")
_SCRIPTS = {
    f"{{{_MATHML}}}{name}" for name in ["msub", "msup", "msubsup", "munder", "mover", "munderover"]
}


class UnreadableFormula(ValueError):
    """LaTeX that can't be shown."""


@cache
def mathml(latex, display="inline"):
    """LaTeX as MathML, which browsers draw themselves.  display: "inline" or "block".

    Raises UnreadableFormula for commands that are unknown or left over.
    """
    from latex2mathml.converter import convert

    known = latex.strip()
    for pattern, instead in _INSTEAD.items():
        known = re.sub(pattern, instead, known)
    try:
        found = _spaced(convert(known, display=display))
    except Exception as error:
        raise UnreadableFormula(f"{latex!r}: {type(error).__name__} {error}") from error
    left_over = re.search(r"\\[A-Za-z]+", html.unescape(re.sub(r"<[^>]*>", " ", found)))
    if left_over:
        raise UnreadableFormula(f"{latex!r}: {left_over.group()} is unknown")
    return found


def _spaced(text):
    """MathML with TeX's spaces around functions (p log x), none around "/" and in 10,000, and with \\big( as big as asked for."""
    ElementTree.register_namespace("", _MATHML)
    tree = ElementTree.fromstring(text)
    for parent in list(tree.iter()):
        row = list(parent)
        for before, node, after in zip([None, *row], row, [*row[1:], None]):
            base = next(iter(node)) if node.tag in _SCRIPTS else node
            word = (base.text or "") if base.tag in {_MI, _MO} else ""
            if node.tag == _MO and "minsize" in node.attrib:
                node.attrib.update(stretchy="true", symmetric="true")
            elif _sign(node) in {"−", "+"} and (
                before is None or _sign(before) not in {"", *_CLOSING}
            ):
                node.set("form", "prefix")
            elif node.tag == _MO and word in {"/", "|"}:
                node.attrib.update(lspace="0", rspace="0")
            elif node.tag == _MI and word in {":", "±"}:
                node.tag = _MO
            elif (
                _sign(node) == ","
                and after is not None
                and re.fullmatch(r"\d{3}", after.text or "")
            ):
                if before is not None and before.tag == _MN:
                    next(node.iter(_MO)).attrib.update(lspace="0", rspace="0")
            elif re.fullmatch(r"[a-z]{2,}", word) and parent.tag not in _SCRIPTS:
                if base.tag == _MO:
                    base.attrib.update(lspace="0", rspace="0")
                thin = ElementTree.Element(f"{{{_MATHML}}}mspace", width="0.167em")
                if after is not None and after.tag != thin.tag and not _sign(after):
                    parent.insert(list(parent).index(node) + 1, thin)
                spaceless = before is None or before.tag == thin.tag
                if not spaceless and (_sign(before) in {"", *_CLOSING}):
                    parent.insert(list(parent).index(node), thin)
    return ElementTree.tostring(tree, "unicode", short_empty_elements=False)


def _sign(node):
    """The operator or bracket that an element is or begins with; "" for anything else."""
    while node.tag == _MROW and len(node):
        node = node[0]
    return node.text or "" if node.tag == _MO and not (node.text or "").isalpha() else ""
