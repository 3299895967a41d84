import json,glob,re
out=[]
for f in ['02_entropy','09_transformers','06_vae']:
    nb=json.load(open(f'./notebooks/{f}.ipynb'))
    for c in nb['cells']:
        if c['cell_type']=='markdown' and c['id'] not in ('references','glossary','title','instructor','next-steps'):
            s=''.join(c['source'])
            for p in s.split('\n\n'):
                if '$' in p or '|' in p or p.startswith('#') or '[' in p or len(p)<150: continue
                out.append(re.sub(r'[*_`]','',p))
open('scratch/l13s/prose.txt','w').write('\n\n'.join(out)); print(len('\n\n'.join(out)))
