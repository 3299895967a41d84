exec(open("scratch/l14x/pre.py").read())
import json
from course_utils.gpt import GPT, BytePairs, token_bits
from course_utils.exercises.lecture_14 import is_green, green_z
t0=_t.process_time()
train_text, test_text = data.text("shakespeare","train"), data.text("shakespeare","test")
tok = BytePairs(train_text,1536,alphabet=set(data.text("shakespeare")))
ids = torch.tensor(tok.encode(test_text)); print("tok",_t.process_time()-t0,len(ids),flush=True)
gpt,_ = checkpoints.restore("09_gpt",GPT)
KEY=2026
# false alarms on human text, many keys
win = ids[: len(ids)//200*200].view(-1,200)[:300]
def unique_z(x,key,gamma):
    pairs = torch.stack([x[:-1],x[1:]],1).unique(dim=0)
    g=is_green(pairs[:,0],pairs[:,1],key,gamma); n=len(g)
    return float((g.sum()-gamma*n)/(n*gamma*(1-gamma))**.5), n
for gamma in (.25,.5):
    z=torch.tensor([float(green_z(w,k,gamma)) for w in win[:100] for k in range(20)])
    u=torch.tensor([unique_z(w,k,gamma)[0] for w in win[:100] for k in range(20)])
    print(gamma,"plain mean sd",z.mean(),z.std(),"P(z>2.33)",(z>2.326).float().mean(),"unique",u.mean(),u.std(),(u>2.326).float().mean(),"max",z.max(),u.max(), "pairs",np.mean([unique_z(w,0,gamma)[1] for w in win[:100]]),flush=True)
@torch.no_grad()
def write(model, prompts, length, delta, key, gamma, temperature=1.0, seed=0):
    draw=torch.Generator().manual_seed(seed)
    caches=[{} for _ in model.blocks]
    tokens=prompts; logits=model(prompts,0,caches)[:,-1]
    vocab=torch.arange(logits.shape[1])
    for _ in range(length):
        green=is_green(tokens[:,-1:],vocab,key,gamma)
        p=torch.softmax((logits+delta*green)/temperature,1)
        new=torch.multinomial(p,1,generator=draw)
        tokens=torch.cat([tokens,new],1)
        logits=model(new,tokens.shape[1]-1,caches)[:,-1]
    return tokens[:,prompts.shape[1]:]
prompts=win[:64,:20]
res={}
class CharModel(nn.Module):
    def __init__(self, symbols, width=256, embedding=64, dropout=0.0, cell="LSTM"):
        super().__init__()
        self.embed = nn.Embedding(symbols, embedding)
        self.rnn = getattr(nn, cell)(embedding, width, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, symbols)
    def forward(self, x, state=None):
        h, state = self.rnn(self.dropout(self.embed(x)), state)
        return self.head(self.dropout(h)), state
judge,_=checkpoints.restore("04_char_lstm",CharModel)
alphabet=sorted(set(data.text("shakespeare"))); index={c:i for i,c in enumerate(alphabet)}; print("alphabet",len(alphabet))
@torch.no_grad()
def judged(text):
    x=torch.tensor([index[c] for c in text])
    logits,_=judge(x[None,:-1]); 
    return float(F.cross_entropy(logits[0],x[1:]))/math.log(2)
for gamma in (.25,):
  for delta in (0,1,2,4,8):
    c=_t.process_time()
    texts=write(gpt,prompts,200,delta,KEY,gamma)
    z=torch.tensor([float(green_z(x,KEY,gamma)) for x in texts])
    u=torch.tensor([unique_z(x,KEY,gamma)[0] for x in texts])
    own=token_bits
    bits=torch.tensor([judged(tok.decode(p)+tok.decode(x)) for p,x in zip(prompts,texts)])
    d2=np.mean([len(set(zip(x.tolist(),x[1:].tolist())))/199 for x in texts])
    print(gamma,delta,"z",z.mean(),z.std(),"u",u.mean(),u.std(),"judge bits/char",bits.mean(),bits.std()/8,"distinct2",d2,"cpu",_t.process_time()-c,flush=True)
    res[delta]=texts.tolist()
json.dump(res,open("scratch/l14x/B.json","w"))
# paraphrase with BERT
bert,_=checkpoints.restore("09_bert",GPT)
@torch.no_grad()
def paraphrase(texts, share, seed=0):
    draw=torch.Generator().manual_seed(seed); x=texts.clone()
    order=torch.rand(x.shape,generator=draw).argsort(1)
    k=int(share*x.shape[1])
    for part in order[:,:k].split(max(1,k//4),1):   # in four rounds: each reads what the rounds before wrote
        hidden=x.scatter(1,part,1536)
        logits=torch.cat([bert(h) for h in hidden.split(32)])[:,:,:1536]
        new=torch.multinomial(torch.softmax(logits.gather(1,part[:,:,None].expand(-1,-1,1536)).flatten(0,1),1),1,generator=draw).view(part.shape)
        x=x.scatter(1,part,new)
    return x
for delta in (2,4):
    texts=torch.tensor(res[delta])
    for share in (0,.1,.25,.5,.75,1.0):
        c=_t.process_time()
        y=paraphrase(texts[:,:128],share) if share else texts[:,:128]
        z=torch.tensor([float(green_z(x,KEY,.25)) for x in y])
        bits=torch.tensor([judged(tok.decode(x)) for x in y])
        print("paraphrase",delta,share,"z",z.mean(),z.std(),"found z>4",(z>4).float().mean(),"changed",(y!=texts[:,:128]).float().mean(),"bits",bits.mean(),"cpu",_t.process_time()-c,flush=True)
print("cpu",_t.process_time()-t0)
