"""A local Batch: an independent second reading of Batch's documentation, to try and test against.

It imports nothing from the rest of target-batch: where the two readings differ, a test fails.

Start it with ``target-batch sandbox`` or ``python -m target_batch.sandbox``; it listens on the
loopback address only. Point ``api_url`` at it and look at the page at the same address.

============================  ==================================================================
what                          where
============================  ==================================================================
Batch's rules                 `rules`, pure functions; each limit once in `rules.limits`
what each endpoint does       `handlers`, reached through `routing`, `keys` and `rates`
what it keeps                 `store`, held together by `batch`
scripted faults               `faults`: the form of a script stands there
inspection below ``/_/``      `inspection`: the JSON stands there
the page at ``/``             ``static``
serving                       `command` → `starting` → `serving` → `app` → `gateway`
============================  ==================================================================

How it decides where the documentation is silent:

* A call whose form or size is wrong is refused as a whole with 400; a broken rule about an
  attribute or event is a partial error that names it, about an entry one that names no attribute.
  Audiences know no partial errors: every broken rule refuses the call.
* An event that breaks a rule anywhere is refused as a whole, named by the event's name. One
  outside the last 24 hours is dropped without an error and counted.
* Accepted changes of profiles are applied at once, those of audiences when they are indexed, in
  the order of arrival.
* All project keys open the same data; each project and each app has rates of its own. A refused
  call takes nothing out of its bucket, a malformed one does once its entries could be counted.
* ``latency`` passes before a call is applied; the rates count its arrival.
"""
