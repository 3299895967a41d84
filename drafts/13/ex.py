import sys
sys.path.insert(0,'.'); sys.path.insert(0,'./tests')
from course_utils.exercises import all_exercises
from course_utils.exercises.engine import judge
from course_utils.texts import load
import test_exercise_mutants as t
E_=all_exercises()
for name,(e,m) in E_.items():
    if not m.startswith('lecture_13'): continue
    if len(sys.argv)>1 and name not in sys.argv[1:]: continue
    texts=load('exercises',m)[name]
    for a in [e.reference,*e.accept,*e.alternatives]:
        v=judge(e,a,texts)
        if v.status!='right': print(name,'ALT',a,v)
    for k,w in e.mistakes.items():
        v=judge(e,w,texts)
        if (v.status,v.mistake)!=('wrong',k): print(name,'MIS',k,v)
    bad=[k for k,mm in texts['mistakes'].items() if len(mm)<=40]
    if bad: print(name,'short',bad)
    found,n=t.accepted(e)
    print(name,n,'mutants; accepted:',*sorted(set(found)),sep='\n   ')
