"""tests/smollm2.json: run outside the course, with transformers, tokenizers, gguf."""
import sys, json
sys.path.append('scratch/l13s/site'); sys.path.insert(0,'.')
from pathlib import Path
import torch
torch.set_num_threads(1)
from course_utils import gguf as ours
settings,_=ours.read(Path('scratch/l13s/m.gguf'))
from tokenizers import Tokenizer, models, pre_tokenizers, decoders
vocab={t:i for i,t in enumerate(settings['tokenizer.ggml.tokens'])}
merges=[tuple(m.split(' ')) for m in settings['tokenizer.ggml.merges']]
tok=Tokenizer(models.BPE(vocab=vocab,merges=merges))
tok.pre_tokenizer=pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),pre_tokenizers.ByteLevel(add_prefix_space=False,use_regex=True)])
tok.decoder=decoders.ByteLevel()
rank=[vocab[a+b] for a,b in merges]
print('merges',len(merges),'monotone',rank==sorted(rank),'dupes',len(rank)-len(set(rank)), rank[:3], rank[-1])
texts=["The quick brown fox jumps over the lazy dog.","  two spaces,\n\n\ttabs and\r\nlines  \n","I'll say it's 1,234.56 or 2026-11-29; you've won!","Київ стоїть на Дніпрі, а Львів на Полтві.","Москва. Ёжик в тумане №7","x² + ½ = Ⅷ, ٣٤, 万三, naïve café e\u0301","snake_case __init__(self): return a[i]+=1","🙂👩‍👩‍👧 ok…—“quotes”","don't DON'T 'tis 'Twas  '  s","<|im_end|> is text here","a\u00a0b\u3000c\u200bd","","7"]
import transformers, tokenizers, gguf
out={"provenance":f"tokens: the library tokenizers {tokenizers.__version__}, byte-pair model with the file's vocabulary and merges, pre-tokenisers Digits(individual_digits=True) and ByteLevel(add_prefix_space=False); logits: transformers {transformers.__version__} (LlamaForCausalLM, float32, from the same GGUF file through gguf {getattr(gguf,'__version__','0.19.0')}), torch {torch.__version__}: the eight largest of the last position.",
"tokens":[{"text":t,"ids":tok.encode(t).ids} for t in texts if t]}
from transformers import AutoModelForCausalLM
m=AutoModelForCausalLM.from_pretrained('scratch/l13s',gguf_file='m.gguf',dtype=torch.float32)
m.eval()
print(m.config)
def special(s):
    ids=[]
    import re
    for p in re.split(r'(<\|im_start\|>|<\|im_end\|>)',s):
        ids += [vocab[p]] if p.startswith('<|im_') else tok.encode(p).ids
    return ids
prompts=["The capital of France is","To be, or not to be, that is the","<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n","Столиця України, місто"]
out["logits"]=[]
with torch.no_grad():
    for p in prompts:
        ids=special(p)
        l=m(torch.tensor([ids])).logits[0,-1]
        v,i=l.topk(8)
        print(repr(p[-30:]),[tok.decode([int(j)]) for j in i],[round(float(x),3) for x in v])
        out["logits"].append({"text":p,"tokens":ids,"top":i.tolist(),"values":[round(float(x),4) for x in v]})
    ids=special(prompts[2])
    g=m.generate(torch.tensor([ids]),max_new_tokens=20,do_sample=False)
    print(tok.decode(g[0,len(ids):].tolist()))
json.dump(out,open('scratch/l13s/smollm2.json','w'),ensure_ascii=False,indent=1)
