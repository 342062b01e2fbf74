"""The queue of calculations: recipes, engines, the ledger of attempts, and the running of one. Knows nothing of Ray.

The way of one calculation (docs/validation.md):

- ``recipe``: what is computed and what it may use, frozen and hashed;
- ``enqueue``: crystals into the ledger, once for each recipe;
- ``ledger``: states and attempts, every change in one transaction, guarded by the table in ``states``;
- ``attempt``: one attempt from its order to its result file, in a job folder of its own;
- ``supervisor``: the program that runs a calculation in a process group of its own and ends it whole;
- ``engines``: one file for each code, behind one contract;
- ``retries``: what follows on each class of error;
- ``reconcile``: what a dispatcher does first, with what an earlier one left;
- ``export``: the ledger as Parquet, for SQL.
"""
