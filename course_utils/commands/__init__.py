"""What makes, checks and serves the course: the commands of ``make`` and ``python -m course_utils``.  No lecture imports it.

main.py reads the command line; CONTRIBUTING.md, "What is where", tells each file's job.
"""
