"""The page of ``target-batch runs --web``: a read-only view of what runs left under `work_path`.

It listens on the loopback address and refuses requests from pages of other sites. It shows neither records
nor values: any user of the machine can open a port, but not a rejects file.

===============================================  ===============================================
``GET /_/runs?search=&problems=1&from=&limit=``  ``{"total", "found", "outcomes": {outcome:``
                                                 ``count}, "totals": counts, "runs": [run]}``,
                                                 newest first
``GET /_/runs/{run}?from=&limit=``               one run, and ``"found", "streams": [{"name",``
                                                 counts, ``"reasons": [reason]}], "files":``
                                                 ``[path], "replay": [command]}``
===============================================  ===============================================

A run has ``run``, ``started``, ``seconds``, ``exit``, ``ended``, ``dry_run``, ``cause``, ``outcome``,
``names`` (of its streams), ``streams_total``, the counts of its requests, and the sums of its streams'
counts. A reason has ``code``, ``label``, ``count``, ``costs``, ``advice``, ``final`` (how many must not be
sent again), ``properties``, ``messages`` and ``examples``: ``{"line", "property"?, "attribute"?, "file",
"position"}``.
"""
