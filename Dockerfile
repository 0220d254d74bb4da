# target-batch in a container: `docker build --tag target-batch .`, then
#
#   some-tap | docker run --rm --interactive --read-only --tmpfs /tmp --cap-drop ALL \
#     --env-file target-batch.env --volume work:/work target-batch --config ENV
#
# It runs as user 10001 and writes to /work (rejects, run log, ledger) and nowhere else. To have the tap in the
# same image, build on this one: `FROM target-batch`, `USER root`, `RUN pip install …`, `USER 10001`. The package that
# a `work_path` such as s3://… needs goes beside target-batch: `RUN pip --python /opt/target-batch install s3fs`.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
# The extras to install: `postgres` (a ledger in PostgreSQL), `parquet` (for archives), `sandbox` (the local Batch).
ARG EXTRAS=postgres
RUN python -m venv /opt/target-batch
WORKDIR /src
COPY constraints.txt pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY target_batch target_batch
RUN /opt/target-batch/bin/pip install --no-cache-dir --constraint constraints.txt ".[${EXTRAS}]" \
    && /opt/target-batch/bin/pip uninstall --yes pip

FROM python:${PYTHON}-slim
COPY --from=build /opt/target-batch /opt/target-batch
ENV PATH=/opt/target-batch/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    TARGET_BATCH_WORK_PATH=/work
RUN groupadd --gid 10001 loader \
    && useradd --uid 10001 --gid loader --no-create-home --home-dir /work --shell /usr/sbin/nologin loader \
    && install --directory --owner loader --group loader --mode 700 /work
USER 10001:10001
WORKDIR /work
VOLUME /work
# The program is process 1 and gets SIGTERM itself: it finishes what was read, within 5 seconds while Batch fails.
# Give it more than Docker's 10 seconds where answers are slow: `docker stop --time 60`.
ENTRYPOINT ["target-batch"]
