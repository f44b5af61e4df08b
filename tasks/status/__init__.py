"""How instances stand: `facts` looks, `notes` judges, `view` says it.

It grows by a fact, what is to be said of it, and its line.
"""
