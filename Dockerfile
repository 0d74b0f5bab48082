# One image for API and processing; the command says which. Built and run by `docker compose up`.
FROM python:3.13-slim-bookworm AS build

COPY requirements/container.txt /build/
# Wheels only: nothing is compiled, so the image needs no compiler. pip stays behind in this stage.
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install --no-cache-dir --no-input \
       --disable-pip-version-check --root-user-action ignore \
       --require-hashes --only-binary :all: -r /build/container.txt

COPY streaming_runtime /app/streaming_runtime
COPY functions /app/functions
# Unchecked: nothing in the image changes, so a start need not compare times of files.
RUN /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /app


FROM python:3.13-slim-bookworm

RUN groupadd --gid 10001 millrace \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
       --shell /usr/sbin/nologin millrace \
    && install -d -o millrace -g millrace -m 0750 /var/lib/millrace

COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app

# HOST: a container is reached from outside itself, and its API refuses to listen there without a
# configured key. STATE_DIR: what processing keeps between starts; give each process its own.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8080 \
    PROMETHEUS_PORT=2112 \
    PROCESSING_PROMETHEUS_PORT=2113 \
    STATE_DIR=/var/lib/millrace

# All that is written to: with a read-only root (Fargate) these are mounts, and belong to the user.
VOLUME ["/var/lib/millrace", "/tmp"]
USER 10001:10001
EXPOSE 8080 2112 2113
STOPSIGNAL SIGTERM

# Of the API; processing has its own in compose.yaml.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/health/live', timeout=2)"]

CMD ["python", "-m", "streaming_runtime.live"]
