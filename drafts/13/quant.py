"""16, 8, 4, 3, 2 bits in bits/char: lecture 09's shipped GPT (float32, so nothing is rounded yet) on the test plays; SmolLM2 (already 4 bits) on the course's prose."""
import json, time, torch
from pathlib import Path
from course_utils import checkpoints, data, gpt, smollm
from course_utils.exercises.lecture_13 import quantize, dequantize
torch.set_num_threads(1)
out = {}
def rounded(model, bits, block):
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 2: p.copy_(p.half().float() if bits == 16 else dequantize(*quantize(p, block, bits)))
    return model
plays = {s: data.text("shakespeare", s) for s in ("train", "test")}
tok9 = gpt.BytePairs(plays["train"], 1536, set(data.text("shakespeare")))  # CHECK: the size with which lecture 09 shipped; context 128
ids = torch.tensor(tok9.encode(plays["test"]))
for bits, block in [(32, 0), (16, 0), (8, 32), (4, 32), (3, 32), (2, 32), (4, 128)]:
    net, entry = checkpoints.restore("09_gpt", gpt.GPT)
    if bits < 32: rounded(net, bits, block)
    t = time.process_time(); b = float(gpt.token_bits(net, ids, 128).sum() / len(plays["test"]))
    out[f"gpt09/{bits}/{block}"] = b; print("gpt09", bits, block, round(b, 4), round(time.process_time() - t, 1), flush=True)
    json.dump(out, open("scratch/l13s/quant.json", "w"))
text = Path("scratch/l13s/prose.txt").read_text()
for bits, block in [(32, 0), (16, 0), (8, 32), (4, 32), (4, 96), (3, 32), (2, 32)]:
    model, tok = smollm.load()
    if bits < 32: rounded(model, bits, block)
    ids = tok.encode(text)[:1500]; t = time.process_time()
    b = float(smollm.token_bits(model, ids).sum() / len(tok.decode(ids)))
    out[f"smollm/{bits}/{block}"] = b; print("smollm", bits, block, round(b, 4), round(time.process_time() - t, 1), flush=True)
    json.dump(out, open("scratch/l13s/quant.json", "w"))
