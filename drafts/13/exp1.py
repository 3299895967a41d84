"""bf16: what goes wrong, tokens per second, memory, bits/char of held-out prose."""
import sys,time,json,math,resource; sys.path.insert(0,'.')
import torch, torch.nn.functional as F
torch.set_num_threads(1)
from pathlib import Path
from course_utils import data, smollm, gguf
data.model_path=lambda n: Path('scratch/l13s/m.gguf')
T=time.process_time
t=T(); model,tok=smollm.load(); print('load',T()-t, 'RSS',resource.getrusage(resource.RUSAGE_SELF).ru_maxrss//1024)
q=smollm.chat(tok,"What is the capital of France?")
t=T(); a=smollm.generate(model,q,60); s=T()-t; print('fp32',len(a),s,repr(tok.decode(a)))
print('merges monotone', list(tok.merges.values())==sorted(tok.merges.values()), len(tok.merges), len(tok.vocabulary))
b16,_=smollm.load(torch.bfloat16)
t=T(); a=smollm.generate(b16,q,60); s=T()-t; print('bf16',len(a),s,repr(tok.decode(a)))
# faults
import types
orig=smollm.rope
def rope_bf16_angles(x,positions,base):
    half=x.shape[-1]//2
    f=(base ** (-torch.arange(half)/half)).to(x.dtype)
    ang=positions[:,None].to(x.dtype)*f
    c,s_=ang.cos(),ang.sin(); a,b=x[...,:half],x[...,half:]
    return torch.cat([a*c-b*s_,a*s_+b*c],-1)
def rope_base10k(x,p,base): return orig(x,p,10000.0)
def rope_neigh(x,p,base):
    half=x.shape[-1]//2; order=torch.arange(2*half).view(-1,2).T.flatten()
    return orig(x[...,order],p,base)[...,order.argsort()]
text=Path('scratch/l13s/prose.txt').read_text()
ids=tok.encode(text)[:1500]; chars=len(tok.decode(ids))
print('chars/token',chars/len(ids))
def bits(m): return float(smollm.token_bits(m,ids).sum()/chars)
res={}
for name,m,r in [('fp32',model,orig),('bf16',b16,orig),('bf16 angles in bf16',b16,rope_bf16_angles),('fp32 angles in bf16',model,rope_bf16_angles),('fp32 base 10k',model,rope_base10k),('fp32 neighbours',model,rope_neigh)]:
    smollm.rope=r
    t=T(); res[name]=bits(m); g=tok.decode(smollm.generate(m,q,25)); print(name,round(res[name],4),'bits/char',round(T()-t,1),'s',repr(g),flush=True)
smollm.rope=orig
json.dump(res,open('scratch/l13s/exp1.json','w'))
