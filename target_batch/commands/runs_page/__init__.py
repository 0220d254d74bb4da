"""The page of ``target-batch runs --web``: what runs left behind under `work_path`, read only.

It listens on the loopback address and answers no page of another site. It shows no record and no value: a
port is open to every user of the machine, and a rejects file is not.

===============================================  ===============================================
``GET /_/runs?search=&problems=1&from=&limit=``  ``{"total", "found", "outcomes": {outcome:``
                                                 ``count}, "totals": counts, "runs": [run]}``,
                                                 the newest first
``GET /_/runs/{run}?from=&limit=``               one run, and ``"found", "streams": [{"name",``
                                                 counts, ``"reasons": [reason]}], "files":``
                                                 ``[path], "replay": [command]}``
===============================================  ===============================================

A run has ``run``, ``started``, ``seconds``, ``exit``, ``ended``, ``dry_run``, ``cause``, ``outcome``,
``names`` (of its streams), ``streams_total``, what it counted of its traffic, and the sums of its streams'
counts. A reason has ``code``, ``label``, ``count``, ``costs``, ``advice``, ``final`` (how many must not be
sent again), ``properties``, ``messages`` and ``examples``: ``{"line", "property"?, "attribute"?, "file",
"position"}``.
"""
