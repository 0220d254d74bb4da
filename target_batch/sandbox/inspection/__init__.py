"""Inspection API: the contents of the local Batch as JSON below ``/_/``. Not part of Batch; needs no keys.

===================================================  ===========================================
``GET /_/summary``                                   all counts, see `summary`
``GET /_/profiles?search=&from=&limit=``             ``{"total", "profiles": [{"id", "updated",``
                                                     ``"email": text|null, "attributes": count,``
                                                     ``"events": count}]}``
``GET /_/profiles/{id}``, ``GET /_/profile?id=``     ``{"id", "updated", "attributes": {name:``
                                                     ``value}, "types": {name: type},``
                                                     ``"events_total", "events": [{"name",``
                                                     ``"time"?, "attributes"?}], "audiences":``
                                                     ``[{"platform", "name", "label"}]}``; with
                                                     ``events=N`` only the newest N, with
                                                     ``events_from=M`` without the newest M
``GET /_/journal?from=``                             NDJSON, one line per accepted entry, see below
``GET /_/requests?from=&limit=``                     ``{"total", "requests": [row]}``, see
                                                     `target_batch.sandbox.store.requests`; without
                                                     ``from`` the most recent
``GET /_/log?search=&problems=1&from=&limit=``       ``{"total", "kept", "problems", "found",``
                                                     ``"requests": [row]}``, newest first;
                                                     also searches bodies and answers
``GET /_/requests/{number}?refused=1&from=&limit=``  ``{"row", "kept", "query", "answer": {"bytes",``
                                                     ``"text"}, "body": {"bytes", "text"}}``; a
                                                     body with entries is ``{"bytes", "around":``
                                                     ``text, "total", "refused", "found",``
                                                     ``"entries": [{"index", "id", "text",``
                                                     ``"errors": [partial error]}]}``; ``kept`` is
                                                     false if only the row is kept
``GET /_/audiences?search=&from=&limit=``            ``{"all", "total",``
                                                     ``"audiences": [{"platform", "name", "type",``
                                                     ``"label", "created", "updated", "members",``
                                                     ``"pending": [{"token", "action", "members":``
                                                     ``count, "seconds_left"}],``
                                                     ``"indexing_state"}]}``
``GET /_/audiences/{platform}/{name}``               one of these, plus ``"total", "ids": [{"id",``
                                                     ``"email"?, "attributes"?, "tags"?}]``, with
                                                     ``search``, ``from`` and ``limit``
``GET /_/erasures``                                 ``{"erasures": [{"id", "app", "custom_id", "at"}]}``
``GET /_/rates``                                     ``{"enforced", "seconds": 120, "rates":``
                                                     ``[{"endpoint", "unit", "limit", "burst",``
                                                     ``"total", "peak", "used": [120 numbers],``
                                                     ``"refused": [120 numbers]}]}``, oldest second
                                                     first
``GET /_/settings``, ``POST /_/settings``            ``{"rates": bool, "latency": seconds,``
                                                     ``"index_seconds": seconds, "readings": {name:``
                                                     ``value}}``; in a POST, every setting and
                                                     every reading is optional
``POST /_/reset``                                    discard all data received; settings and faults
                                                     are kept, counters of faults reset; calls
                                                     in progress are answered 503, not applied
``GET /_/faults``                                    ``{"faults": [{"id", "name", "kind",``
                                                     ``"enabled", "seen", "hits", "rule"}],``
                                                     ``"ready": [rule]}``
``POST /_/faults``                                   a rule or a list of rules (see
                                                     `target_batch.sandbox.faults`) →
                                                     ``{"ids": [id]}``
``POST /_/faults/{id}``                              ``{"enabled": bool}``
``DELETE /_/faults``, ``DELETE /_/faults/{id}``      remove all, or one
===================================================  ===========================================

A ``peak`` is the maximum number of units admitted for one project or app within one second, measured like
the limits (less 10 ms). It never exceeds the limit of a rate that is enforced and has no burst.

Lists have 100 elements by default and at most 10,000 (``limit``), a request's entries 20 and at most 100;
the list of audiences has 10,000 by default. ``platform`` is ``project``, ``app-1``, ``app-2``, … (in the
order of ``--app-key``, otherwise of the first call); a path may also contain the app's key itself. Errors
are ``{"error": text}``.

Lines of the journal, ``n`` from 0 in order of arrival, ``at`` in Unix seconds::

    {"n", "request", "at", "endpoint", "custom_id", "attributes": {key as sent: value},
     "events": [accepted], "late_events": [refused, only if there are any]}
    {"n", "request", "at", "endpoint", "platform", "audience", "action": "add"|"remove"|"replace",
     "id", "attributes"?, "tags"?}
    {"n", "request", "at", "endpoint", "platform", "audience", "action": "create"|"delete",
     or "replace" without members}
"""
