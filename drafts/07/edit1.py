"""Code of the race: six rows."""
import nbformat, sys
sys.path.insert(0, "/tmp/wt/l07")
from course_utils.commands.notebooks import save
p = "/tmp/wt/l07/notebooks/07_gan.ipynb"
nb = nbformat.read(p, 4)
at = {c["id"]: i for i, c in enumerate(nb.cells)}
MIX = '''def fit_mixture(z, parts=20, rounds=12):
    """Lecture 06's mixture of Gaussians, fitted by EM.  z: (n, d) -> a distribution over codes (d,)."""
    z, ridge = z.double(), 1e-3 * z.var() * torch.eye(z.shape[1])
    start = z[torch.randperm(len(z), generator=torch.Generator().manual_seed(0))[:parts]]
    share = F.one_hot(torch.cdist(z, start).argmin(1), parts).double()  # (n, parts)
    for _ in range(rounds):
        n = share.sum(0)
        mean = share.T @ z / n[:, None]  # M step
        square = torch.einsum("nk,nd,ne->kde", share, z, z) / n[:, None, None]
        covariance = square - mean[:, :, None] * mean[:, None, :] + ridge
        gaussians = torch.distributions.MultivariateNormal(mean, covariance)
        share = (gaussians.log_prob(z[:, None]) + n.log()).softmax(1)  # E step
    weights = torch.distributions.Categorical(n / n.sum())
    return torch.distributions.MixtureSameFamily(weights, gaussians)


class MixtureCodes(nn.Module):
    """A VAE's decoder as a generator whose codes come from a mixture, fitted to the codes of x (n, 1, 28, 28)."""

    def __init__(self, vae, x):
        super().__init__()
        self.decoder, self.latent_dim = vae.decoder, vae.decoder.latent_dim
        with torch.no_grad():
            mu, log_var = vae.encoder(x).chunk(2, 1)
        self.codes = mu + torch.exp(0.5 * log_var) * torch.randn_like(mu)  # (n, latent_dim)
        self.mixture = fit_mixture(self.codes)

    def forward(self, z):  # z only says how many
        return self.decoder(self.mixture.sample((len(z),)).float())'''
RUN = '''LAYERS = {  # generator; layers of discriminator and encoder; the GAN's rates; steps in about 25 CPU s
    "fully connected": (FullyConnectedGenerator, fully_connected, (2e-3, 1e-3), {"VAE": 3300, "GAN": 2100}),
    "convolutions": (Generator, convolutions, (16e-3, 8e-3), {"VAE": 1000, "GAN": 1100}),
}  # fmt: skip
RIVALS = ("VAE", "VAE + mixture", "GAN")


def contest(rival, layers, seed):
    """One of the six, trained and judged."""
    network, features, rates, steps = LAYERS[layers]
    torch.manual_seed(seed)
    if rival == "GAN":
        G, seconds = train_gan(network(), Discriminator(features), steps["GAN"], rates, seed=seed)
        vae = VAE(G.requires_grad_(False), features)  # an encoder for the frozen generator
        train_vae(vae, steps["VAE"], seed=seed, title="encoder")
    else:
        vae = VAE(network(), features)
        seconds = train_vae(vae, steps["VAE"], seed=seed)
        G = vae.decoder
    if rival == "VAE + mixture":  # with another prior the bound would be another one
        G = MixtureCodes(vae, torch.bernoulli(levels[:20_000].float() / 255))
        with torch.no_grad():
            more = {"own_codes": judged(G.decoder(G.codes[:10_000]))["frechet"]}
    else:
        more = {"bound": bound_of(vae)}
    return judged(draw(G)) | more | {"found_out": found_out(G), "cpu": seconds}


race = recorded_run(  # about twenty minutes
    "07_race",
    rows=lambda: {f"{r}, {layers}": [contest(r, layers, seed) for seed in range(3)] for r in RIVALS for layers in LAYERS},
)  # fmt: skip'''
TABLE = '''print("means of three seeds ± s.e.     Fréchet precision recall sharp rarest found out -ELBO")
means = {}
for name, rows in race["rows"].items():
    r = means[name] = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    r["error"] = float(np.std([row["frechet"] for row in rows], ddof=1) / len(rows) ** 0.5)
    shares = f"{r['precision']:8.0f} %{r['recall']:5.0f} %{r['sharp']:4.0f} %{r['rarest']:5.0f} %"
    bound = f"{r['bound']:6.0f}" if "bound" in r else "     –"
    print(f"{name:30}{r['frechet']:5.0f} ±{r['error']:2.0f}{shares}{r['found_out']:10.2f}{bound}")
for name, r in means.items():
    if "own_codes" in r:
        print(f"{name}: with codes of real digits {r['own_codes']:.0f}")
seconds = [r["cpu"] for r in means.values()]
print(f"CPU seconds of training: {min(seconds):.0f} to {max(seconds):.0f}")'''
FIGURE = '''fig, axes = plt.subplots(1, 3, figsize=(12.5, 3.9))
panels = {
    "frechet": ("Fréchet distance", "TITLE1"),
    "found_out": ("bound of the JSD (nats)", "TITLE2"),
    "bound": ("−ELBO (nats/image)", "TITLE3"),
}
for ax, (key, (label, title)) in zip(axes, panels.items()):
    for rival, colour, mark in zip(RIVALS, ("orange", "green", "blue"), "sDo"):
        if key in means[f"{rival}, convolutions"]:
            seeds = [[row[key] for row in race["rows"][f"{rival}, {layers}"]] for layers in LAYERS]
            ax.plot([0, 1], seeds, mark, color=COLORS[colour])
            ax.plot([0, 1], np.mean(seeds, 1), color=COLORS[colour], label=rival)
    ax.set(xticks=[0, 1], xticklabels=list(LAYERS), xlim=(-0.3, 1.3), ylim=(0, None), ylabel=label)
    ax.set_title(title, fontsize=13)
axes[0].legend()
show(fig, alt="ALT")  # fmt: skip'''
def put(cell, source):
    nb.cells[at[cell]].source = source
put("race-run", RUN); put("race-table", TABLE); put("race-figure", FIGURE)
new = nbformat.v4.new_code_cell(MIX, id="race-mixture", metadata={"tags": ["model"], "slideshow": {"slide_type": "skip"}})
nb.cells.insert(at["train-vae"] + 1, new)
save(nb, __import__("pathlib").Path(p))
print(len(nb.cells), sum(len(c.source.splitlines()) for c in nb.cells if c.cell_type == "code"))
