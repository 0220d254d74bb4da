"""Scripted faults: what a hostile network and a tired server do, on request.

A script is a JSON list of rules. Each rule is an object::

    {"name": "storm",                      shown on the page, optional
     "match": {"path": "*/profiles/*",     glob on the path, default "*"
               "method": "POST",           optional
               "contains_id": "u1",        a custom ID or a member's ID in the body, optional
               "nth": [1, 3],              or {"from": 2, "to": 9} ("to" optional), or {"every": 5}
               "share": 0.5, "seed": 7},   a share of the requests, drawn from a seed (default 0)
     "times": 10,                          at most so many hits, optional
     "enabled": true,                      default
     "do": …}

Every rule that is switched on counts the requests that fit its path, method and ``contains_id``;
``nth`` (from 1) and ``share`` choose among these. The first rule, in order, whose turn it is acts.
Faults come before keys and rates; requests below ``/_/`` are never touched.

``do`` is one of these:

========================================================  =====================================
``{"answer": {"status", "headers", "body"|"json",``       a literal answer; ``body`` is a text,
``"cut"}}``                                               ``json`` any value; with ``cut`` only
                                                          so many bytes of the body are sent
                                                          and the connection is closed
``{"accept_then": DO}``                                   apply the request fully, then do DO
``"reset"``                                               RST
``"close"``                                               close without an answer
``{"delay": seconds}``                                    wait, then go on as usual
``{"delay": {"seconds", "then": DO}}``                    wait, then do DO
``{"trickle": {"interval", "status"}}``                   headers at once, then a body byte by
                                                          byte for ever
``{"trickle_headers": {"interval", "status"}}``           status line and headers byte by byte
                                                          for ever
``{"huge": {"bytes", "status"}}``                         a body of so many bytes, without
                                                          ``bytes`` an endless one
``{"gzip_bomb": {"bytes", "status"}}``                    a body that unpacks to so many bytes
``{"redirect": {"to", "status"}}``                        307 unless a status is given
``{"partial_errors": [ERROR, …]}``                        these errors literally; entries and
                                                          attributes they name are not applied,
                                                          the rest is
``{"retry_after": {"value", "status"}}``                  429 with ``Retry-After``: a number,
                                                          ``"+5"`` for a date 5 s ahead, or any
                                                          other text as it is
``{"refuse_ids": ["u1", …]}``                             400 for a call that holds one of them
``{"max_body": bytes}``                                   413 for a larger body
========================================================  =====================================

The main field may stand alone: ``{"trickle": 0.1}``, ``{"huge": 1000000}``, ``{"gzip_bomb": 1000000}``,
``{"redirect": "http://…"}``, ``{"retry_after": 3}``. ``refuse_ids`` and ``max_body`` act only on requests
that give them a reason; other requests go on to the next rule.
"""
