"""The parts of a run: what is opened and loaded for it, put together, drawn, shown and changed while it goes on.

source_names.py capture.py   its sources: what each is called, and its frames as they were asked for
loading.py ladder.py         its networks, loaded beside the rest; the ways they may run within a budget
assemble.py lanes.py         the stages between threads, and what each source has for itself on the way
inferring.py messages.py     the step in which the networks run, and what passes through it
outputs.py source_run.py     where each source goes, and what its numbers are
drawing.py status_line.py    its pictures
page.py segmenter.py         its page, and `POST /segment`
reloading.py                 a configuration read again while frames come
"""
