"""The steps of the platform as Python functions: those that ``import crystalforge`` offers and the commands call.

Each takes the arguments of the command of the same name and returns what that command prints, as an object. A step
reads what the steps before it committed and writes into its own folder of the home; interrupted, the same call
continues. One module per step, imported when its function is first asked for.

What does not belong here: anything that a step does. That stands in the rooms below, this puts them together.
"""
