"""The notebook's own cells, run from their source."""
import os, sys, json, time
sys.path.insert(0, "/tmp/wt/l07")
os.environ["COURSE_HOME"] = "/tmp/l07s/home"; os.makedirs("/tmp/l07s/home", exist_ok=True)
os.chdir("/tmp/wt/l07/notebooks")
import nbformat
from course_utils import *
setup("07_gan")
nb = nbformat.read(os.environ.get("NB", "/tmp/reports/07_race_six_rows.ipynb"), 4)
src = {c["id"]: c.source for c in nb.cells if c.cell_type == "code"}
def run(*ids):
    for i in ids: exec(compile(src[i], i, "exec"), globals())
from torch.nn.utils.parametrizations import spectral_norm
from course_utils.exercises.lecture_07 import *
run("digit-networks", "discriminator", "train-gan", "judge-images", "race-networks", "race-vae", "train-vae", "race-mixture", "race-functions")
