"""What an apply needs, looked at without changing anything.

One module a concern: a pure part that judges what was found, and beside it what finds it. A
concern takes a World and yields findings; `run.CONCERNS` says which there are.
"""
