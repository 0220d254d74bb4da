"""A local Batch: an independent second reading of Batch's documentation, to try and test against.

It imports nothing from the rest of target-batch but what its page shares with another page
(`target_batch.web`): where the two readings differ, a test fails.

Start it with ``target-batch sandbox`` or ``python -m target_batch.sandbox``; it listens on the
loopback address only. Point ``api_url`` at it and look at the page at the same address.

============================  ==================================================================
what                          where
============================  ==================================================================
Batch's rules                 `rules`, pure functions; each limit once in `rules.limits`
what is not documented        `readings`: every open point with its answers; `reshaping`: those that
                              only change an answer's form
what each endpoint does       `handlers`, reached through `routing`, `keys` and `rates`
what it keeps                 `store`, held together by `batch`
scripted faults               `faults`: the form of a script stands there
inspection below ``/_/``      `inspection`: the JSON stands there
the page at ``/``             ``static``
serving                       `command` → `starting` → `serving` → `app` → `gateway`
============================  ==================================================================

Where the documentation is silent, a reading decides and another one can be chosen. What is common
to all readings:

* A call whose size is wrong is refused as a whole with 400; a broken rule about an attribute or event
  is a partial error. Audiences know no partial errors: every broken rule refuses the call.
* An event that breaks a rule anywhere, or lies outside the last 24 hours, is refused as a whole.
* Accepted changes of profiles are applied at once, those of audiences when they are indexed, in
  the order of arrival.
* All project keys open the same data; each project and each app has rates of its own. A refused
  call takes nothing out of its budget, a malformed one does once its entries could be counted.
* A rate without a burst is taken at its word: what a second may hold is never exceeded within any
  second (less 20 ms for clocks).
* ``latency`` passes before a call is applied; the rates count its arrival.
"""
