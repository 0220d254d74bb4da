"""What the two local pages share: the look, the parts of the page, the guard before them and the server.

The local Batch (`target_batch.sandbox`) and `target-batch runs --web` each serve a page of their own on the
loopback address. Both read this package, and it imports nothing of the rest of target-batch.

=============  ==================================================================================
what           where
=============  ==================================================================================
who is let in  `guard`: only this machine, under its own name
answers        `guard`: JSON, errors, the bounds of lists
the page       `serving`: ``index.html`` and the files beside it; the shared ones lie in ``static``
serving        `serving`: on the loopback address, until a signal
=============  ==================================================================================
"""
