"""The stages of PSGPO training and everything they are made of. `python -m tasks --help` lists the commands.

Layers, imports pointing downwards only (`tests/test_layers.py` enforces it):

    stages/      one file per stage; the only code that touches store, tracking and method together
    method/      the paper: lines, labelling, selection, PRM, rewards, GAE, PPO. Pure: no I/O
    sampling/ sandbox/ benchmarks/ validation/
    store/ tracking/ rows.py config.py errors.py
"""
