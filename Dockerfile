# The service. Build: docker build -t lockstep .
# Make a token: docker run --rm -v lockstep:/data lockstep lockstep-server token create NAME --role admin
# Run: docker run -p 8000:8000 -v lockstep:/data lockstep

FROM python:3.13-slim AS build
WORKDIR /source
RUN python -m venv /opt/lockstep
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY app app
COPY schemas schemas
RUN /opt/lockstep/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt ".[plot]"

FROM python:3.13-slim
RUN useradd --system --uid 10001 --user-group --no-create-home lockstep \
    && install --directory --owner=lockstep --group=lockstep /data
COPY --from=build /opt/lockstep /opt/lockstep
ENV PATH=/opt/lockstep/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    LOCKSTEP_DATABASE_URL=sqlite:////data/lockstep.db
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
# SIGTERM is the clean way down: open event streams are closed, the database is checkpointed.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
CMD ["lockstep-server", "serve", "--host", "0.0.0.0", "--port", "8000"]
