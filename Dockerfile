# `make image` builds it. Without the project's tools: docker buildx build --platform linux/amd64,linux/arm64 --tag tenure .
ARG PYTHON=3.13
# Any image with this Python, pip, a shell and certificates. `make image` makes one of Debian's packages if it must.
ARG BASE=python:${PYTHON}-slim

FROM ${BASE} AS build
# A file with authorities, for networks where a proxy signs anew. It stays out of the image.
ARG SSL_CERT_FILE
RUN python3 -m pip install --no-cache-dir --target /uv uv==0.13.9
ENV PATH=/uv/bin:$PATH \
    UV_LINK_MODE=copy \
    UV_PROJECT_ENVIRONMENT=/app \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /source
# What others wrote changes seldom, so it has a layer of its own.
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-dev --no-install-project
COPY README.md LICENSE ./
COPY operator operator
RUN uv sync --locked --no-dev --no-editable
# Nothing can be compiled at run time. Tenure never imports most modules of the Kubernetes client's typed calls, which
# would take 40 MB, so only those that a start imports are compiled.
RUN uv export --quiet --locked --no-dev --no-editable --format cyclonedx1.5 --output-file /app/sbom.cdx.json \
    && python3 -m compileall -q -j 0 -x '/kubernetes/(aio/)?client/(api|models)/' /app/lib \
    && /app/bin/python -c 'import tenure.controller.process, tenure.admission.process' \
    && rm -f /app/.lock

FROM ${BASE} AS root
# Python, its libraries, certificates and time zones: no shell, no package manager, no pip. The official image's
# standard library isn't compiled.
RUN mkdir -p /image/tmp && chmod 1777 /image/tmp \
    && for path in /lib* /usr/lib64 /usr/lib/ld-linux* /usr/lib/*-linux-gnu /usr/lib/ssl \
        /usr/bin/python3* /usr/lib/python3.* /usr/local/bin/python3* /usr/local/lib \
        /etc/group /etc/ld.so.cache /etc/localtime /etc/nsswitch.conf /etc/os-release /etc/passwd /etc/ssl \
        /usr/lib/os-release /usr/share/ca-certificates /usr/share/zoneinfo /var/lib/dpkg/status; do \
        if [ -e "$path" ]; then cp -a --parents "$path" /image; fi; \
    done \
    && rm -rf /image/usr/lib/*/gconv /image/usr/lib/*/perl* /image/usr/lib/*/systemd \
        /image/usr/lib/python3*/ensurepip /image/usr/local/lib/python3*/ensurepip \
        /image/usr/local/lib/python3*/config-* /image/usr/local/lib/python3*/site-packages/* \
    && python3 -m compileall -q -j 0 -s /image "/image$(python3 -c 'import os; print(os.path.dirname(os.__file__))')"

FROM scratch
LABEL org.opencontainers.image.title="Tenure" \
      org.opencontainers.image.description="Organizations, memberships and API keys as Kubernetes resources" \
      org.opencontainers.image.licenses="Apache-2.0" \
      dev.tenure.sbom="/app/sbom.cdx.json"
COPY --from=root /image /
COPY --from=build /app /app
# Nothing is written at run time, so the root file system can be read-only, and any user id will do: there is no home.
ENV HOME=/nonexistent \
    LANG=C.UTF-8 \
    PATH=/app/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["tenure"]
CMD ["run"]
