"""One server for a class: a JupyterHub in which every student has a kernel and copies of the lectures of their own.

jupyterhub_config.py   what ``make server`` starts
student.py             how a student's server starts: copies of the notebooks, limits, then JupyterLab
accounts.py            other accounts, and root without its privileges
capacity.py            how many students fit
rehearsal.py           the same hub on this machine alone, with several students at once who run a lecture: what it takes
"""
