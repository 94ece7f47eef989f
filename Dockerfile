# The image that Fargate, Lambda and everybody else run: docs/releases.md, docs/decisions/0016.
#
# Each platform is built on a machine of its own architecture; nothing is emulated or cross-compiled. `docker build .` makes
# the one of this machine.
FROM rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082 AS build
# Before the source, so that a change of it does not build them again.
RUN cargo install --locked --root /opt/release cargo-auditable@0.7.7 cargo-cyclonedx@0.5.9
ENV PATH=/opt/release/bin:$PATH
WORKDIR /src
COPY . .
ARG TARGETARCH
# The time of the commit: nothing in the image is younger.
ARG SOURCE_DATE_EPOCH=0
RUN case "${TARGETARCH:?build with BuildKit}" in \
        amd64) target=x86_64-unknown-linux-gnu ;; \
        arm64) target=aarch64-unknown-linux-gnu ;; \
        *) echo "there is no image for $TARGETARCH; there are amd64 and arm64" >&2; exit 1 ;; \
    esac \
    && bash .ci/release "$target" /out

# glibc, libgcc and the certificates of certificate authorities, which the program reads from /etc/ssl/certs; no shell.
FROM gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f
ARG VERSION=unreleased
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="pipewarden" \
      org.opencontainers.image.description="Audits the software delivery path of a whole AWS Organization against Cedar policies" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.base.name="gcr.io/distroless/cc-debian12:nonroot"
COPY --from=build --chmod=0555 /out/pipewarden /pipewarden
COPY --from=build --chmod=0444 /out/pipewarden.cdx.json /usr/share/doc/pipewarden/pipewarden.cdx.json
COPY --chmod=0444 LICENSE /usr/share/doc/pipewarden/LICENSE
# A number, so that an orchestrator can see that it is not root without reading /etc/passwd.
USER 65532:65532
# Nobody may write here: without `--out`, a run ends with an error in place of reports that vanish with the container.
WORKDIR /
# The one place that is written to. Fargate gives a volume that is mounted here the rights that it has in the image.
VOLUME ["/tmp"]
ENTRYPOINT ["/pipewarden"]
