# syntax=docker/dockerfile:1

ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS builder
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY spaces spaces
COPY objectives objectives
COPY storage storage
COPY search search
# torch comes from PyPI: on Linux x86-64 a build that runs on NVIDIA GPUs as well as on the CPU.
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python -m venv /opt/search \
    && /opt/search/bin/pip install --no-cache-dir "$(echo /wheels/*.whl)[s3]"

FROM ${PYTHON_IMAGE}
COPY --from=builder /opt/search /opt/search

# Prepares what mounts cannot provide directly, then replaces itself with the command.
COPY --chmod=755 <<'EOF' /usr/local/bin/entrypoint
#!/bin/sh
set -eu

# A secret keeps the mode it has on the host, but libpq accepts a password file only from its owner, with mode
# 0600: copy the password into such a file, in memory.
secret=${POSTGRES_PASSWORD_FILE:-/run/secrets/postgres_password}
if [ -e "$secret" ]; then
    private=$(mktemp -d)
    (umask 077 && printf '*:*:*:*:%s\n' "$(sed 's/[\\:]/\\&/g' "$secret")" > "$private/pgpass")
    export PGPASSFILE="$private/pgpass"
fi

# Link the files of folder $1, or its class folders as a whole, into folder $2.
link_into() {
    cd "$1"
    find . \( -path './*/train' -o -path './*/test' \) -prune -print -o ! -type d -print |
        while IFS= read -r path; do
            [ -e "$2/$path" ] || { mkdir -p "$2/${path%/*}" && ln -s "$1/$path" "$2/$path"; }
        done
    cd "$OLDPWD"
}

# Held-out files are mounted only for the final step, which reads a single data folder: give it links to both.
held_out=${HELD_OUT_DATA:-/heldout}
if [ -d "$held_out" ]; then
    whole=$(mktemp -d)
    link_into "$SEARCH_DATA" "$whole"
    link_into "$held_out" "$whole"
    export SEARCH_DATA="$whole"
fi

exec "$@"
EOF

# Any user that the container runs as may write here; a named volume takes over the mode.
RUN install -d -m 1777 /cache /data /results /work

# A user id without a name has no home folder, and torch asks for a name: set both.
ENV PATH=/opt/search/bin:$PATH \
    HOME=/tmp \
    USER=search \
    PYTHONUNBUFFERED=1 \
    SEARCH_HOME=/cache/home \
    SEARCH_CACHE=/cache \
    SEARCH_DATA=/data
WORKDIR /work
USER 1000:1000

# One image for servers and for one-off commands: docker-compose.yml has the health checks of the servers.
HEALTHCHECK NONE
ENTRYPOINT ["entrypoint"]
CMD ["search", "--help"]
