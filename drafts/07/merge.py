import json
p="/tmp/wt/l07/data/checkpoints/07_race.json"
r=json.load(open(p)); rows=r["rows"]
new={}
for l in open("/tmp/l07s/rows.jsonl"):
    d=json.loads(l); new.setdefault(f"{d['job'][0]}, {d['job'][1]}",{})[d["job"][2]]=d["row"]
out={}
for rival in ("VAE","VAE + mixture","GAN"):
    for layers in ("fully connected","convolutions"):
        n=f"{rival}, {layers}"
        if n in new: out[n]=[new[n][s] for s in range(3)]
        elif n in rows: out[n]=rows[n]
r["rows"]=out; r["date"]="2026-11-29"
open(p,"w").write(json.dumps(r,indent=1)+"\n"); print({k:len(v) for k,v in out.items()})
