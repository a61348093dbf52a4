# docker buildx build --platform linux/amd64,linux/arm64 --tag tenure .
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
RUN pip install --no-cache-dir uv==0.13.9
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never \
    UV_PROJECT_ENVIRONMENT=/app
WORKDIR /source
# What others wrote changes seldom, so it has a layer of its own.
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-dev --no-install-project
COPY README.md LICENSE ./
COPY operator operator
RUN uv sync --locked --no-dev --no-editable

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="Tenure" \
      org.opencontainers.image.description="Organizations, memberships and API keys as Kubernetes resources" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /app /app
# Nothing is written at run time, so the root file system can be read-only.
ENV PATH=/app/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["tenure"]
CMD ["run"]
