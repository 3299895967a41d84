exec(open("scratch/l14x/pre.py").read())
from course_utils.diffusion import UNet, draw, euler, heun, velocity
from itertools import pairwise
t0=_t.process_time()
net,_=checkpoints.restore("10_diffusion",UNet)
train=data.mnist("train"); x=train.images.view(-1,1,28,28)
ink=x.mean((1,2,3)); 
limit=torch.stack([ink[train.labels==c].quantile(.8) for c in range(10)])
test=data.mnist("test")
print("test share bold",float((test.images.view(-1,1,28,28).mean((1,2,3))>limit[test.labels]).float().mean()))
def slant(im):
    g=im[:,0]; i=torch.arange(28.); m=g.sum((1,2))
    cy=(g.sum(2)*i).sum(1)/m; cx=(g.sum(1)*i).sum(1)/m
    dy=i[None]-cy[:,None]; dx=i[None]-cx[:,None]
    return torch.einsum("nij,ni,nj->n",g,dy,dx)/torch.einsum("nij,ni->n",g,dy**2)
s=slant(x); upright=torch.stack([s[train.labels==c].quantile(.8) for c in range(10)])
y=torch.arange(1000)%10
for scale in (1.0,1.5,2.0,4.0,0.0):
    c=_t.process_time(); im=draw(net,y,torch.linspace(1,0,11).tolist(),euler,scale)
    lab=y if scale else metrics.class_probabilities(im).argmax(1)
    f=metrics.features(im)
    p=metrics.class_probabilities(im)
    print(scale,"bold",float((im.mean((1,2,3))>limit[lab]).float().mean()),"slant",float((slant(im)>upright[lab]).float().mean()),"obey",float((p.argmax(1)==y).float().mean()),"ink",float(im.mean()),float(x.mean()),"cpu",_t.process_time()-c,flush=True)
print("cpu",_t.process_time()-t0)
# watermark in the noise
N=100; yy=torch.arange(N)%10
times=torch.linspace(1,0,26).tolist()
g=torch.Generator().manual_seed(1); pick=torch.rand(784,generator=g)<.25; key=torch.where(torch.rand(784,generator=g)<.5,-1.,1.)
def made(mark):
    torch.manual_seed(3); noise=torch.randn(N,784)
    if mark: noise=torch.where(pick,noise.abs()*key,noise)
    z=noise.view(N,1,28,28)
    return z, euler(lambda x,t: velocity(net,x,t,yy), z, times)
def inverted(im01, lab):
    x=2*im01-1
    return euler(lambda x,t: velocity(net,x,t,lab), x, times[::-1])
def score(im):
    lab=torch.full((len(im),),10)
    z=inverted(im,lab).flatten(1)[:,pick]; n=int(pick.sum())
    m=((z.sign()==key[pick]).float().sum(1)-n/2)/(n/4)**.5
    return m
import io
from PIL import Image
def jpeg(images, q):
    o=[]
    for im in images:
        b=io.BytesIO(); Image.fromarray((im[0].numpy()*255).astype("uint8")).save(b,"JPEG",quality=q); o.append(torch.from_numpy(np.array(Image.open(b))).float()/255)
    return torch.stack(o)[:,None]
def redraw(im,t=.5):
    torch.manual_seed(5); x=(1-t)*(2*im-1)+t*torch.randn_like(im)
    return ((euler(lambda x,s: velocity(net,x,s,torch.full((len(im),),10)), x, torch.linspace(t,0,11).tolist())+1)/2).clamp(0,1)
attacks={"none":lambda x:x,"8 bits":lambda x:(x*255).round()/255,"jpeg 50":lambda x:jpeg(x,50),"noise .1":lambda x:(x+.1*torch.randn_like(x)).clamp(0,1),"blur":lambda x:F.avg_pool2d(x,3,1,1),"shift":lambda x:x.roll(1,3),"binary":lambda x:(x>.5).float(),"redrawn .5":redraw}
z0,plain=made(False); z1,marked=made(True)
plain,marked=((i+1)/2 for i in (plain,marked))
print("overshoot",float(((marked<0)|(marked>1)).float().mean()))
plain,marked=plain.clamp(0,1),marked.clamp(0,1)
pat=torch.where(torch.rand(784,generator=g)<.5,-1.,1.).view(1,1,28,28)
eps=.08
pix=(plain+eps*pat).clamp(0,1)
def corr(im):
    h=im-F.avg_pool2d(im,3,1,1)
    a=(h*pat).flatten(1); return a.sum(1)/a.square().sum(1).sqrt()
for k,f in attacks.items():
    c=_t.process_time()
    a,b=score(f(marked)),score(f(plain)); p,q=corr(f(pix)),corr(f(plain))
    print(k,"noise-mark z",round(float(a.mean()),2),round(float(a.std()),2),"plain",round(float(b.mean()),2),round(float(b.std()),2),"found>4",float((a>4).float().mean()),"| pixel z",round(float(p.mean()),2),"plain",round(float(q.mean()),2),round(float(q.std()),2),"cpu",round(_t.process_time()-c,1),flush=True)
print("cpu",_t.process_time()-t0)
