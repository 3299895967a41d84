from course_utils import *
setup("10_diffusion")
import time as _t
