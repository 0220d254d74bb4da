"""A local Batch: a second, independent implementation of Batch's documentation, for trials and tests.

It imports nothing from the rest of target-batch except `target_batch.web`, which both local pages share.
Where the two implementations disagree about the documentation, a test fails.

Start it with ``target-batch sandbox`` or ``python -m target_batch.sandbox``; it listens on the
loopback address only. Point ``api_url`` at it and open the same address in a browser.

============================  ==================================================================
subject                       module
============================  ==================================================================
Batch's rules                 `rules`: pure functions; each limit is defined once, in `rules.limits`
undocumented behaviour        `readings`: every open point and its possible answers; `reshaping`:
                              the readings that only change the form of an answer
endpoints                     `handlers`, reached through `routing`, `keys` and `rates`
stored data                   `store`, held together by `batch`
scripted faults               `faults`, which documents the script format
inspection below ``/_/``      `inspection`, which documents the JSON
the page at ``/``             ``static``
serving                       `command` → `starting` → `serving` → `app` → `gateway`
============================  ==================================================================

Where the documentation is silent, a configurable reading decides. The following holds for all readings:

* A call of the wrong size is refused as a whole with 400; a broken rule about an attribute or event
  is a partial error. Audience calls have no partial errors: every broken rule refuses the call.
* An event that breaks any rule, or is outside the last 24 hours, is refused as a whole.
* Accepted profile changes are applied at once; audience changes are applied in order of arrival,
  when they are indexed.
* All project keys share the same data, but each project and each app has its own rate limits. A
  refused call uses none of its budget; a malformed call does if its entries could be counted.
* A rate without a burst is strict: no one-second interval (less 10 ms for clocks) exceeds it.
* ``latency`` delays a call before it is applied; rates count it at its time of arrival.
"""
