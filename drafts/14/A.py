exec(open("scratch/l14x/pre.py").read())
import json
from course_utils.metrics import samples
t0=_t.process_time()
drawn = {s.label: s.images for s in map(samples.load, samples.names())}
names = ["MADE","PixelCNN","VAE","GAN","GAN, conditional"]
def some(split, n, seed, binary=True):
    images = data.mnist(split, binary=binary).images.view(-1,1,28,28)
    return images[torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:n]]
real_train, real_valid = some("train", 1000, 1), some("valid", 2000, 2)
test = data.mnist("test", binary=True).images.view(-1,1,28,28)
def detector(fakes, real, steps=300, seed=0):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(1,16,5,2,2), nn.ReLU(), nn.Conv2d(16,32,5,2,2), nn.ReLU(), nn.Flatten(), nn.Linear(32*49,1), nn.Flatten(0))
    x, y = torch.cat([fakes, real]), torch.cat([torch.ones(len(fakes)), torch.zeros(len(real))])
    opt = torch.optim.Adam(net.parameters(), lr=2e-3)
    for _ in range(steps):
        rows = torch.randint(len(x),(100,))
        loss = F.binary_cross_entropy_with_logits(net(x[rows]), y[rows])
        opt.zero_grad(); loss.backward(); opt.step()
    return net.eval().requires_grad_(False)
out={}
nets={}
def found(net, images, limit): return 100*float((net(images)>limit).float().mean())
for seed in (0,1):
    for name in names:
        c=_t.process_time()
        net = detector(drawn[name][:1000], real_train, seed=seed); nets[name,seed]=net
        limit = float(net(real_valid).quantile(0.95))
        row = {m: round(found(net, drawn[m][1000:], limit),1) for m in names+["VAE, thresholded"]}
        row["test1"]=round(found(net,test[:5000],limit),1); row["test2"]=round(found(net,test[5000:],limit),1)
        row["auc"]=0
        print(seed,name,row,round(_t.process_time()-c,1),flush=True)
        out[f"{name},{seed}"]=row
# leave one out
for name in names:
    others=[m for m in names if m!=name]
    fakes=torch.cat([drawn[m][:250] for m in others])
    net=detector(fakes, real_train, seed=0)
    limit=float(net(real_valid).quantile(0.95))
    print("without",name,found(net,drawn[name][1000:],limit), {m:round(found(net,drawn[m][1000:],limit),1) for m in others},flush=True)
# changes
import io
from PIL import Image
def jpeg(images, q):
    o=[]
    for im in images:
        b=io.BytesIO(); Image.fromarray((im[0].numpy()*255).astype("uint8")).save(b,"JPEG",quality=q)
        o.append(torch.from_numpy(np.array(Image.open(b))).float()/255)
    return torch.stack(o)[:,None]
def flip(images,p): 
    g=torch.Generator().manual_seed(0)
    return (images-(torch.rand(images.shape,generator=g)<p).float()).abs()
changes={"none":lambda x:x,"1%":lambda x:flip(x,.01),"3%":lambda x:flip(x,.03),"jpeg90":lambda x:jpeg(x,90),"jpeg50":lambda x:jpeg(x,50),"jpeg20":lambda x:jpeg(x,20),"jpeg20 again binary":lambda x:(jpeg(x,20)>.5).float(), "jpeg5 again binary":lambda x:(jpeg(x,5)>.5).float(),"median":lambda x:(F.avg_pool2d(x,3,1,1)>.5).float()}
for name in ["VAE","MADE","GAN, conditional"]:
    net=nets[name,0]; limit=float(net(real_valid).quantile(.95))
    for k,f in changes.items():
        print(name,k,"found",round(found(net,f(drawn[name][1000:]),limit),1),"false",round(found(net,f(real_valid[:1000]),limit),1),flush=True)
# trap
grey=some("train",1000,1,False); greyv=some("valid",1000,2,False)
net=detector(drawn["GAN"][:1000],grey)
print("trap at logit 0: fakes found",{m:found(net,drawn[m][1000:],0) for m in names},"grey real",found(net,greyv,0),"binary real",found(net,real_valid,0))
print("cpu",_t.process_time()-t0)
json.dump(out,open("scratch/l14x/A.json","w"))
