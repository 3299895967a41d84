exec(open("scratch/l14x/pre.py").read())
import re
from course_utils.gpt import GPT, BytePairs, token_bits
t0=_t.process_time()
train_text, test_text = data.text("shakespeare","train"), data.text("shakespeare","test")
tok = BytePairs(train_text,1536,alphabet=set(data.text("shakespeare")))
gpt,_ = checkpoints.restore("09_gpt",GPT)
SHE=re.compile(r"\b(she|her|hers|herself)\b",re.I); HE=re.compile(r"\b(he|him|his|himself)\b",re.I)
def counts(t): return len(SHE.findall(t)),len(HE.findall(t))
for n,t in (("train",train_text),("test",test_text),("valid",data.text("shakespeare","valid"))):
    s,h=counts(t); print(n,s,h,s/(s+h))
@torch.no_grad()
def write(model, prompts, length, temperature=1.0, seed=0, p=1.0):
    draw=torch.Generator().manual_seed(seed); caches=[{} for _ in model.blocks]
    tokens=prompts; logits=model(prompts,0,caches)[:,-1]
    for _ in range(length):
        new=torch.multinomial(torch.softmax(logits/temperature,1),1,generator=draw)
        tokens=torch.cat([tokens,new],1); logits=model(new,tokens.shape[1]-1,caches)[:,-1]
    return tokens[:,prompts.shape[1]:]
start=torch.tensor(tok.encode("\n"))[None].expand(128,-1)
for T in (0.4,0.6,0.8,1.0,1.3):
    c=_t.process_time(); x=write(gpt,start,127,T)
    texts=[tok.decode(r) for r in x]; k=np.array([counts(t) for t in texts]); s=k.sum(0); share=s[0]/s.sum()
    boot=[(lambda b: b[:,0].sum()/b.sum())(k[np.random.default_rng(i).integers(0,128,128)]) for i in range(500)]
    print(T,s,round(share,3),np.percentile(boot,[2.5,97.5]).round(3),"cpu",_t.process_time()-c,flush=True)
# verbatim: greedy continuation of training and of held-out passages
def longest(a,b):
    n=0
    for x,y in zip(a,b):
        if x!=y: break
        n+=1
    return n
@torch.no_grad()
def greedy(prompts,length):
    caches=[{} for _ in gpt.blocks]; new=gpt(prompts,0,caches)[:,-1].argmax(1,keepdim=True); out=[new]; n=prompts.shape[1]
    for i in range(length-1):
        new=gpt(new,n+i,caches)[:,-1].argmax(1,keepdim=True); out.append(new)
    return torch.cat(out,1)
for n,t in (("train",train_text),("test",test_text)):
    ids=torch.tensor(tok.encode(t)); g=torch.Generator().manual_seed(0)
    at=torch.randint(len(ids)-200,(500,),generator=g); rows=ids[at[:,None]+torch.arange(96)]
    for p in (16,64):
        out=greedy(rows[:,64-p:64],32)
        m=np.array([len(tok.decode(a[:longest(a.tolist(),b.tolist())])) for a,b in zip(out,rows[:,64:])])
        print(n,"prefix",p,"mean chars right",m.mean(),">=20",(m>=20).mean(),">=40",(m>=40).mean(),"max",m.max(),flush=True)
        for j in np.argsort(-m)[:3]: print("   ",m[j],repr(tok.decode(rows[j,40:64])),"->",repr(tok.decode(out[j])[:m[j]]))
# repeated passages in the training text: 40-character strings that come >= 2
c=_t.process_time()
from collections import Counter
k=40; cnt=Counter(train_text[i:i+k] for i in range(0,len(train_text)-k))
rep={s:n for s,n in cnt.items() if n>=3}
print("repeated 40-grams",len(rep),list(rep.items())[:5],"cpu",_t.process_time()-c)
print("cpu",_t.process_time()-t0)
