"""What makes, checks and serves the course: the commands of ``make`` and ``python -m course_utils``.  No lecture imports it.

main.py         the command line
base.py         where things are, how a command speaks and stops
environment.py  which Python and which packages
install.py      .venv and what is in it
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
