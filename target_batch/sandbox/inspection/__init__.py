"""What the local Batch holds, as JSON below ``/_/``. Not a part of Batch; no keys are asked for.

===================================================  ===========================================
``GET /_/summary``                                   counts of everything, see `summary`
``GET /_/profiles?search=&from=&limit=``             ``{"total", "profiles": [{"id", "updated",``
                                                     ``"email": text|null, "attributes": count,``
                                                     ``"events": count}]}``
``GET /_/profiles/{id}``, ``GET /_/profile?id=``     ``{"id", "updated", "attributes": {name:``
                                                     ``value}, "types": {name: type},``
                                                     ``"events_total", "events": [{"name",``
                                                     ``"time"?, "attributes"?}], "audiences":``
                                                     ``[{"platform", "name", "label"}]}``; with
                                                     ``events=N`` only the newest N, and with
                                                     ``events_from=M`` those before the newest M
``GET /_/journal?from=``                             NDJSON, one line per accepted entry, see below
``GET /_/requests?from=&limit=``                     ``{"total", "requests": [row]}``, see
                                                     `target_batch.sandbox.store.requests`; without
                                                     ``from`` the most recent
``GET /_/log?search=&problems=1&from=&limit=``       ``{"total", "kept", "problems", "found",``
                                                     ``"requests": [row]}``, the newest first;
                                                     bodies and answers are searched too
``GET /_/requests/{number}?refused=1&from=&limit=``  ``{"row", "kept", "query", "answer": {"bytes",``
                                                     ``"text"}, "body": {"bytes", "text"}}``, or
                                                     of the body ``{"bytes", "around": text,``
                                                     ``"total", "refused", "found", "entries":``
                                                     ``[{"index", "id", "text", "errors": [partial``
                                                     ``error]}]}``; ``kept`` is false where only
                                                     the row is kept
``GET /_/audiences?search=&from=&limit=``            ``{"all", "total",``
                                                     ``"audiences": [{"platform", "name", "type",``
                                                     ``"label", "created", "updated", "members",``
                                                     ``"pending": [{"token", "action", "members":``
                                                     ``count, "seconds_left"}],``
                                                     ``"indexing_state"}]}``
``GET /_/audiences/{platform}/{name}``               one of these and ``"total", "ids": [{"id",``
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
                                                     ``value}}``; in a POST each is optional, each
                                                     reading too
``POST /_/reset``                                    forget everything received; settings and
                                                     faults stay, their counts start anew; calls
                                                     on their way are answered 503, not applied
``GET /_/faults``                                    ``{"faults": [{"id", "name", "kind",``
                                                     ``"enabled", "seen", "hits", "rule"}],``
                                                     ``"ready": [rule]}``
``POST /_/faults``                                   a rule or a list of rules (see
                                                     `target_batch.sandbox.faults`) →
                                                     ``{"ids": [id]}``
``POST /_/faults/{id}``                              ``{"enabled": bool}``
``DELETE /_/faults``, ``DELETE /_/faults/{id}``      remove all, or one
===================================================  ===========================================

A ``peak`` is the most that one project or app was let through within a second, measured as the limits
are (less 20 ms): where a rate has no burst and is enforced, it never exceeds the limit.

Lists have 100 elements unless ``limit`` says otherwise, 10,000 at most; a request's entries are 20, 100 at
most, and the list of audiences is whole. ``platform`` is ``project``,
``app-1``, ``app-2``, … (in the order of ``--app-key``, else of the first
call); in a path the app's key itself is understood too. Errors are ``{"error": text}``.

Lines of the journal, ``n`` from 0 in order of arrival, ``at`` in Unix seconds::

    {"n", "request", "at", "endpoint", "custom_id", "attributes": {key as sent: value},
     "events": [accepted], "late_events": [refused, only when there are some]}
    {"n", "request", "at", "endpoint", "platform", "audience", "action": "add"|"remove"|"replace",
     "id", "attributes"?, "tags"?}
    {"n", "request", "at", "endpoint", "platform", "audience", "action": "create"|"delete",
     or "replace" without members}
"""
