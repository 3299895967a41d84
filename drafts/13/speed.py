"""Tokens a second with and without the cache, float32 and bfloat16; characters a token in three languages."""
import time, torch, resource
from course_utils import data, smollm
torch.set_num_threads(1)
for dtype in (torch.float32, torch.bfloat16):
    model, tok = smollm.load(dtype)
    q = smollm.chat(tok, "Tell me about the city of Kyiv.")
    never = lambda logits: logits[3:].argmax() + 3  # no END
    for n in (32, 64, 128):
        t = time.process_time(); smollm.generate(model, q, n, never); with_cache = time.process_time() - t
        t = time.process_time(); tokens = list(q)
        with torch.no_grad():
            for _ in range(n if n < 128 else 0): tokens.append(int(never(model(torch.tensor([tokens]))[0, -1])))
        without = time.process_time() - t
        print(dtype, n, f"{n / with_cache:.1f} tok/s with, {n / without if without > 1 else float('nan'):.1f} without", flush=True)
    print("RSS MB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
for name, text in [("en", "\n".join(a.text for a in data.articles("test"))[:50000]), ("uk names", data.text("settlements_uk", "test")), ("ru names", data.text("names_ru", "test"))]:
    print(name, round(len(text) / len(tok.encode(text)), 3), "characters a token;", round(len(text.encode()) / len(text), 2), "bytes a character")
