# A thin wrapper: every target is a command of `python3 -m course_utils`, which is the same on systems without make.
PYTHON ?= python3
export PORT HOST OPEN NB ONLY CHANGED RECORD REHEARSE

.DEFAULT_GOAL := help
.PHONY: help lab server test execute full slides bench doctor fetch install lint clean

help lab server test execute full slides bench doctor fetch install lint clean:
	@$(PYTHON) -m course_utils $@
