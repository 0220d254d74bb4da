"""Scripted faults, which simulate an unreliable network or server.

A script is a JSON list of rules. Each rule is an object::

    {"name": "storm",                      shown on the page, optional
     "match": {"path": "*/profiles/*",     glob on the path, default "*"
               "method": "POST",           optional
               "contains_id": "u1",        a custom ID or member ID in the body, optional
               "nth": [1, 3],              or {"from": 2, "to": 9} ("to" optional), or {"every": 5}
               "share": 0.5, "seed": 7},   a random share of the requests; default seed 0
     "times": 10,                          maximum number of hits, optional
     "enabled": true,                      default
     "do": …}

Every enabled rule counts the requests that match its path, method and ``contains_id``; ``nth`` (from 1)
and ``share`` select among these. If several rules apply to a request, the first in the list acts.
Faults take effect before keys and rates are checked; requests below ``/_/`` are never affected.

``do`` is one of the following:

========================================================  =====================================
``{"answer": {"status", "headers", "body"|"json",``       a literal answer; ``body`` is a text,
``"cut"}}``                                               ``json`` any value; with ``cut``, only
                                                          that many bytes of the body are sent
                                                          before the connection is closed
``{"accept_then": DO}``                                   apply the request fully, then do DO
``"reset"``                                               reset the connection (RST)
``"close"``                                               close without an answer
``{"delay": seconds}``                                    wait, then continue normally
``{"delay": {"seconds", "then": DO}}``                    wait, then do DO
``{"trickle": {"interval", "status"}}``                   headers at once, then an endless body,
                                                          byte by byte
``{"trickle_headers": {"interval", "status"}}``           status line and endless headers, byte
                                                          by byte
``{"huge": {"bytes", "status"}}``                         a body of that many bytes; endless
                                                          without ``bytes``
``{"gzip_bomb": {"bytes", "status"}}``                    a body that unpacks to that many bytes
``{"redirect": {"to", "status"}}``                        a redirect, 307 by default
``{"partial_errors": [ERROR, …]}``                        exactly these errors; everything is
                                                          applied except the entries, attributes
                                                          and events they name
``{"retry_after": {"value", "status"}}``                  429 with ``Retry-After``: a number,
                                                          ``"+5"`` for a date 5 s ahead, or any
                                                          other text, sent unchanged
``{"refuse_ids": ["u1", …]}``                             400 for a call with one of these IDs
``{"max_body": bytes}``                                   413 for a larger body
========================================================  =====================================

The main field may be given alone: ``{"trickle": 0.1}``, ``{"huge": 1000000}``, ``{"gzip_bomb": 1000000}``,
``{"redirect": "http://…"}``, ``{"retry_after": 3}``. ``refuse_ids`` and ``max_body`` act only on requests
with such an ID or body; the next rules apply to all others.
"""
