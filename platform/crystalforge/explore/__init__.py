"""``platform explore``: a page on this machine over the live tables of a home.

Answers come from SQL in the catalog's locked process; the page itself is a handful of files of ours (``page``) and the
viewer's. Nothing is written, nothing is asked of a network, and no part of a request ever names a file.
"""
