"""What makes, checks and serves the course: the commands of ``make`` and ``python -m course_utils``.  No lecture imports it.

main.py         the command line
base.py         where things are, how a command speaks and stops
environment.py  which Python and which packages
pip.py          running pip, and what to do about what it says
venv.py         .venv: making and removing it, and nothing that is somebody else's
pytorch.py      which build of PyTorch, from where; systems without one
install.py      what is in .venv
bundle.py       the installation in a folder, for a class without internet
fetch.py        the texts that the repository doesn't hold
lab.py          JupyterLab on the first lecture
serve.py        a JupyterHub for a class; server/ is what it runs
testing.py      make test
author.py       execute, full, slides, bench
notebooks.py    running and cleaning notebooks
slides/         lectures as decks
samples.py      draws what lecture 08 compares
bench.py        seconds and memory; bench_metrics.py of the metrics
upkeep.py       lint, doctor, clean, freeze
"""
