# syntax=docker/dockerfile:1.7
# The image of every Ray pod. HOLDS says which: base (no model: head, doors, councils), cpu, or gpu.
#   docker build --build-arg HOLDS=gpu -t registry.example.com/conclave:0.1.0-ray2.60.0-gpu .
# Name both images by digest where the registry can tell it: a tag may be moved.

ARG PYTHON=3.11.13-slim-bookworm
FROM python:${PYTHON} AS build
ARG HOLDS=base
ENV PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1
RUN python -m venv /opt/conclave && pip install uv==0.13.9
WORKDIR /src
COPY deploy/locks/${HOLDS}.lock deploy/locks/
# The lock is complete, so nothing is resolved here: what was tested is what is installed.
# The CPU's torch is in no package index; uv knows where it lies.
RUN if [ "$HOLDS" = cpu ]; then export UV_TORCH_BACKEND=cpu; fi; \
    uv pip install --python /opt/conclave/bin/python --no-deps -r deploy/locks/${HOLDS}.lock
COPY pyproject.toml README.md serve_app.py cli.py ./
COPY engine engine
COPY actors actors
COPY edges edges
COPY conclave conclave
COPY commands commands
# Built apart: what builds it is no part of the image.
RUN echo setuptools==78.1.1 > build.txt \
    && uv pip install --python /opt/conclave/bin/python --no-deps --build-constraints build.txt .

FROM python:${PYTHON}
ARG HOLDS=base
# vLLM compiles kernels at its first start: with Triton on a GPU, with the system's compiler on a CPU.
RUN if [ "$HOLDS" != base ]; then \
      apt-get update && apt-get install -y --no-install-recommends gcc g++ libc6-dev libnuma1 \
      && rm -rf /var/lib/apt/lists/*; \
    fi
# A number, not a name: Kubernetes can only tell of a number that it is not root.
RUN useradd --uid 1000 --create-home ray
COPY --from=build /opt/conclave /opt/conclave
ENV PATH=/opt/conclave/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    RAY_ENABLE_UV_RUN_RUNTIME_ENV=0 \
    RAY_USAGE_STATS_ENABLED=0 \
    VLLM_NO_USAGE_STATS=1
WORKDIR /home/ray
USER 1000:1000
# KubeRay writes the command of its pods itself; a Job names its own.
CMD ["conclave", "--help"]
