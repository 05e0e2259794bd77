# Two images: docker build --target serve -t colisten-serve .    docker build --target train -t colisten-train .
# `serve` answers from the working folder in /data at port 8000; `train` is the nightly run that writes it.
ARG BASE=python:3.11.13-slim-bookworm

FROM ${BASE} AS packages
ENV UV_PROJECT_ENVIRONMENT=/opt/colisten UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --quiet uv==0.13.9
WORKDIR /source
COPY pyproject.toml ./

FROM packages AS serve-packages
RUN /opt/uv/bin/uv sync --no-dev --no-install-project --quiet
COPY README.md LICENSE ./
COPY colisten colisten
RUN /opt/uv/bin/uv sync --no-dev --no-editable --quiet

FROM ${BASE} AS runtime
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp colisten && install -d -o 10001 -g 10001 /data /cache
ENV PATH=/opt/colisten/bin:$PATH PYTHONUNBUFFERED=1 HOME=/tmp COLISTEN_WORKDIR=/data COLISTEN_CACHE=/cache
WORKDIR /data
USER 10001:10001
ENTRYPOINT ["colisten"]

FROM packages AS train-source
COPY README.md LICENSE ./
COPY colisten colisten

# Installed in place, since a copy of torch and CUDA from another stage would take their gigabytes twice.
FROM runtime AS train
ENV UV_PROJECT_ENVIRONMENT=/opt/colisten UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
USER root
RUN --mount=type=bind,from=train-source,source=/,target=/mnt,rw \
    cd /mnt/source && /mnt/opt/uv/bin/uv sync --no-dev --extra train --extra s3 --extra gcs --no-editable --quiet
USER 10001:10001
VOLUME ["/data", "/cache"]
CMD ["run"]

FROM runtime AS serve
COPY --from=serve-packages /opt/colisten /opt/colisten
ENV COLISTEN_SERVE_HOST=0.0.0.0 COLISTEN_SERVE_PORT=8000
EXPOSE 8000
VOLUME ["/data"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["serve"]
