"""Shared by the two local pages: their style, page components, access guard and server.

The local Batch (`target_batch.sandbox`) and `target-batch runs --web` each serve their own page on the
loopback address. Both use this package, which imports nothing else from target-batch.

=============  ==================================================================================
topic          module
=============  ==================================================================================
access         `guard`: only from this machine, under its own name
responses      `guard`: JSON, errors, the bounds of lists
the page       `serving`: ``index.html`` and the files beside it; shared files are in ``static``
serving        `serving`: on the loopback address, until a signal arrives
=============  ==================================================================================
"""
