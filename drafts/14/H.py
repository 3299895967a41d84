import torch, os, json
torch.set_num_threads(1)
from course_utils import data, metrics
t=data.mnist("test"); x=t.images.view(-1,1,28,28)
wrong=metrics.class_probabilities(x).argmax(1)!=t.labels
print("errors by half", int(wrong[:5000].sum()), int(wrong[5000:].sum()))
b=data.mnist("test",binary=True).images.view(-1,1,28,28)
wrong=metrics.class_probabilities(b).argmax(1)!=t.labels
print("binary errors by half", int(wrong[:5000].sum()), int(wrong[5000:].sum()))
from course_utils.metrics import samples
from course_utils.exercises.lecture_14 import amplification
named=metrics.class_probabilities(b).argmax(1)
for n in samples.names():
    s=samples.load(n); said=metrics.class_probabilities(s.images).argmax(1)
    row=[]
    for d in range(10):
        a=100*amplification(torch.stack([t.labels==d,named==d],1),said==d)
        row.append(f"{a[0]:+.1f}[{a[1]:+.1f},{a[2]:+.1f}]")
    print(s.label,*row)
print({d:round(float((t.labels==d).float().mean()*100),1) for d in range(10)})
idx=json.load(open("data/checkpoints/index.json")); print("total cpu", sum(v["cpu_seconds"] for v in idx.values()))
