exec(open("scratch/l14x/pre.py").read())
t0=_t.process_time()
text=data.text("shakespeare","train")[:200_000]; test=data.text("shakespeare","valid")[:50_000]
alphabet=sorted(set(data.text("shakespeare")))
def distinct(t,n=5): g=[t[i:i+n] for i in range(len(t)-n)]; return len(set(g))
for T in (1.0,0.8):
  for mode in ("replace","accumulate"):
    cur=text; allt=text
    for gen in range(6):
        c=_t.process_time(); m=NGram(allt if mode=="accumulate" else cur,6,alphabet)
        b=m.bits(test).mean(); 
        print(T,mode,gen,"bits",round(float(b),3),"distinct5",distinct(cur),"cpu",round(_t.process_time()-c,1),flush=True)
        if gen<5:
            cur=m.sample(len(text),temperature=T,seed=gen); allt=allt+cur
            print("  sample cpu",round(_t.process_time()-c,1))
