# A thin wrapper: every target is a command of `python3 -m course_utils`, which is the same on systems without make.
PYTHON ?= python3
export PORT HOST OPEN EDIT NB ONLY CHANGED RECORD REHEARSE BUNDLE

.DEFAULT_GOAL := help
.PHONY: help lab server test execute full slides bench doctor fetch install bundle lint clean

help lab server test execute full slides bench doctor fetch install bundle lint clean:
	@$(PYTHON) -m course_utils $@
