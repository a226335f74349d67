# syntax=docker/dockerfile:1
# Build: docker build -t tickstock-relay .
# Run:   docker run --read-only --network host \
#            -v "$PWD/config.yaml:/etc/tickstock-relay/config.yaml:ro" -v tickstock-relay:/var/lib/tickstock-relay \
#            --env SLACK_BOT_TOKEN tickstock-relay
# With the host's network the default configuration works as it is. Otherwise the relay has to listen beyond loopback
# (http.listen: 0.0.0.0:9108), for which it wants http.token. A container has no descriptor store: events that are
# published while it is replaced are lost, and counted as a gap. Under systemd none are: see deploy/systemd.

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/tickstock-relay
# The dependencies change less often than the program: a layer of their own.
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; print('\n'.join(tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']))" \
        > requirements.txt \
    && /opt/tickstock-relay/bin/pip install --no-cache-dir --only-binary=:all: \
        --constraint constraints.txt --requirement requirements.txt
COPY README.md LICENSE ./
COPY relay relay
COPY sinks sinks
COPY tickstock_simulator tickstock_simulator
# The build backend is pinned by the same file.
RUN PIP_CONSTRAINT=constraints.txt /opt/tickstock-relay/bin/pip install --no-cache-dir --no-deps . \
    && /opt/tickstock-relay/bin/pip check \
    && /opt/tickstock-relay/bin/pip uninstall --yes pip

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="tickstock-relay" \
      org.opencontainers.image.description="TickStockPL's Redis events to metrics, alerts, an archive and webhooks" \
      org.opencontainers.image.licenses="MIT"
RUN groupadd --gid 10001 tickstock-relay \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/tickstock-relay \
        --shell /usr/sbin/nologin tickstock-relay \
    && install --directory --mode=0750 --owner=10001 --group=10001 /var/lib/tickstock-relay
COPY --from=build /opt/tickstock-relay /opt/tickstock-relay
COPY config.yaml /etc/tickstock-relay/config.yaml
# STATE_DIRECTORY is what the default configuration goes by, as under systemd.
ENV PATH=/opt/tickstock-relay/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    STATE_DIRECTORY=/var/lib/tickstock-relay \
    HEALTH_URL=http://127.0.0.1:9108/healthz
USER 10001:10001
WORKDIR /var/lib/tickstock-relay
VOLUME /var/lib/tickstock-relay
EXPOSE 9108
# Liveness: /healthz. Not /readyz, which fails while Redis is away: a restart would not help, and would lose events.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(os.environ['HEALTH_URL'], timeout=4)"]
ENTRYPOINT ["tickstock-relay"]
CMD ["run", "--config", "/etc/tickstock-relay/config.yaml"]
