exec(open("scratch/l14x/pre.py").read())
import json, random, sys
from course_utils.gpt import GPT, windows, token_bits
from course_utils.exercises.lecture_14 import exposure
t0=_t.process_time()
text=data.text("shakespeare","train")[:300_000]; valid=data.text("shakespeare","valid")[:20_000]
alphabet=sorted(set(data.text("shakespeare"))|set("0123456789")); index={c:i for i,c in enumerate(alphabet)}
print("digits in text", sum(c.isdigit() for c in data.text("shakespeare")), len(alphabet))
rng=random.Random(0)
def name(): return "".join(rng.choice("BCDFGLMNRSTV")+rng.choice("AEIOU") for _ in range(3))
REP=[0,1,2,4,8,16,32]; people=[]
seen=set()
while len(people)<4*len(REP):
    n=name()
    if n in seen or n in text: continue
    seen.add(n); people.append((n,rng.randrange(10_000),REP[len(people)//4]))
lines=text.split("\n"); 
canary=lambda n,c: f"{n}'s number is {c:04d}."
for n,c,r in people:
    for _ in range(r): lines.insert(rng.randrange(len(lines)),canary(n,c))
mixed="\n".join(lines)
enc=lambda s: torch.tensor([index[c] for c in s])
ids=enc(mixed)
W,L,STEPS=int(sys.argv[1]),int(sys.argv[2]),int(sys.argv[3])
torch.manual_seed(0)
net=GPT(len(alphabet),width=W,layers=L,heads=4)
opt=torch.optim.Adam(net.parameters(),lr=2e-3); batches=windows(ids,24,64,0)
c0=_t.process_time()
def expo():
    net.eval(); out={}
    with torch.no_grad():
        for n,c,r in people:
            prefix=enc(f"\n{n}'s number is ")
            codes=torch.cartesian_prod(*[torch.arange(10)]*3)+index["0"]
            x=torch.cat([prefix.expand(1000,-1),codes],1)
            lp=torch.log_softmax(net(x).float(),-1)[:,len(prefix)-1:,index["0"]:index["0"]+10]
            # lp: (1000,4,10)
            a=lp[:,:3].gather(2,(codes-index["0"])[:,:,None]).sum((1,2))  # (1000,)
            loss=-(a[:,None]+lp[:,3]).flatten()
            e=float(exposure(loss[c],torch.cat([loss[:c],loss[c+1:]])))
            out.setdefault(r,[]).append((round(e,1),int(loss.argmin()==c)))
    net.train(); return out
for step in range(STEPS):
    b=next(batches)
    with autocast(): loss=F.cross_entropy(net(b[:,:-1]).flatten(0,1).float(),b[:,1:].flatten())
    for g in opt.param_groups: g["lr"]=2e-3*min(1,2*(1-step/STEPS))
    opt.zero_grad(); loss.backward(); opt.step()
    if (step+1)%(STEPS//4)==0:
        net.eval(); v=float(token_bits(net,enc(valid),64).mean()); net.train()
        print(step+1,"train",float(loss)/math.log(2),"valid",v,"cpu",round(_t.process_time()-c0,1),{r:[x[0] for x in e] for r,e in expo().items()},"extracted",{r:sum(x[1] for x in e) for r,e in expo().items()},flush=True)
print("epochs",STEPS*24*64/len(ids),"cpu",_t.process_time()-t0)
