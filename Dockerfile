# syntax=docker/dockerfile:1

FROM python:3.12-slim-bookworm AS builder
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY spaces spaces
COPY objectives objectives
COPY storage storage
COPY search search
# torch is what PyPI gives: on Linux x86-64 a build that runs on NVIDIA GPUs and on the CPU alike.
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python -m venv /opt/search \
    && /opt/search/bin/pip install --no-cache-dir /wheels/*.whl

FROM python:3.12-slim-bookworm
COPY --from=builder /opt/search /opt/search

# Prepares what a mount cannot give as it is, then becomes the command that it was given.
COPY --chmod=755 <<'EOF' /usr/local/bin/prepared
#!/bin/sh
set -eu

# A secret keeps its mode on the host, and libpq takes a password file only from its owner, with mode 0600:
# copy the password into one that is this container's own, in memory.
secret=${POSTGRES_PASSWORD_FILE:-/run/secrets/postgres_password}
if [ -e "$secret" ]; then
    private=$(mktemp -d)
    (umask 077 && printf '*:*:*:*:%s\n' "$(sed 's/[\\:]/\\&/g' "$secret")" > "$private/pgpass")
    export PGPASSFILE="$private/pgpass"
fi

# One view of two folders: links to the files of $1 in $2, or to its class folders as a whole.
view() {
    cd "$1"
    find . \( -path './*/train' -o -path './*/test' \) -prune -print -o ! -type d -print |
        while IFS= read -r path; do
            [ -e "$2/$path" ] || { mkdir -p "$2/${path%/*}" && ln -s "$1/$path" "$2/$path"; }
        done
    cd "$OLDPWD"
}

# Held-out files are mounted for the final step alone; it reads one data folder, so it gets a view of both.
held_out=${HELD_OUT_DATA:-/heldout}
if [ -d "$held_out" ]; then
    whole=$(mktemp -d)
    view "$SEARCH_DATA" "$whole"
    view "$held_out" "$whole"
    export SEARCH_DATA="$whole"
fi

exec "$@"
EOF

# Whoever runs the container, by `--user` too, may write these; a named volume takes over the mode.
RUN install -d -m 1777 /cache /data /results /work

# A user number without a name has no home, and torch asks for its name.
ENV PATH=/opt/search/bin:$PATH \
    HOME=/tmp \
    USER=search \
    PYTHONUNBUFFERED=1 \
    SEARCH_HOME=/cache/home \
    SEARCH_CACHE=/cache \
    SEARCH_DATA=/data
WORKDIR /work
USER 1000:1000

# One image for servers and for commands that end: docker-compose.yml says how the servers are checked.
HEALTHCHECK NONE
ENTRYPOINT ["prepared"]
CMD ["search", "--help"]
